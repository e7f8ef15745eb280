"""The judge: one pure function from a reference, a window and a spec to a verdict.

The family-wise level ``alpha`` is shared evenly between the kinds of test that run (KS, PSI, MMD; Alibi's version of a
test is the same kind as ours), and within a kind between the columns by Holm. So a judgement of an undrifted window of
independent rows raises a false alarm with a probability of at most ``alpha``. That holds per judgement: a window that
is judged after every request gets many chances.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

from components.errors import ConfigurationError
from components.models.spec import DriftSpec
from inference.drift import alibi
from inference.drift.ks import ks_test
from inference.drift.mmd import mmd_test
from inference.drift.power import minimum_rows
from inference.drift.psi import psi_test
from inference.drift.result import JOINT, DriftTest, FloatArray, Outcome, TestResult, Verdict


def pick_tests(spec: DriftSpec) -> tuple[dict[str, DriftTest], dict[str, str]]:
    """Return the tests that the spec names and that can run here, and the reasons for the others.

    Raises
    ------
    ConfigurationError
        If the spec names an unknown detector, or none of them can run here.
    """
    known: Mapping[str, DriftTest] = {
        "ks": ks_test,
        "psi": partial(psi_test, threshold=spec.psi_threshold),
        "mmd": mmd_test,
        "alibi_ks": alibi.alibi_ks_test,
        "alibi_mmd": alibi.alibi_mmd_test,
    }
    unknown = [name for name in spec.detectors if name not in known]
    if unknown:
        raise ConfigurationError(
            f"The spec names the drift detector {unknown[0]!r}.", f"Use one of {', '.join(known)}."
        )
    skipped = {n: alibi.MISSING for n in spec.detectors if n.startswith("alibi_") and not alibi.available()}
    tests = {name: known[name] for name in spec.detectors if name not in skipped}
    if not tests:
        raise ConfigurationError(
            f"None of the drift detectors {', '.join(spec.detectors)} can run here: {alibi.MISSING}.",
            "Add `ks` to the spec's detectors.",
        )
    return tests, skipped


def level_per_test(spec: DriftSpec, tests: Mapping[str, DriftTest]) -> float:
    """Return the level of each kind of test: ``alpha`` over the number of kinds."""
    return spec.alpha / len({name.removeprefix("alibi_") for name in tests})


def required_rows(spec: DriftSpec, reference_rows: int, columns: int) -> int | None:
    """Return the smallest window that is judged; None if the reference is too small for any."""
    tests, _ = pick_tests(spec)
    return minimum_rows(reference_rows, columns, level_per_test(spec, tests), spec.power, spec.effect)


def judge(spec: DriftSpec, reference: FloatArray, window: FloatArray, columns: tuple[str, ...]) -> Verdict:
    """Judge a window of served rows.

    Parameters
    ----------
    spec : DriftSpec
        Detectors, level, power, effect.
    reference : ndarray of shape (m, k)
        Rows the model was trained on.
    window : ndarray of shape (n, k)
        Rows it was asked about, thinned like the reference.
    columns : tuple of str
        The k names.
    """
    tests, skipped = pick_tests(spec)
    level = level_per_test(spec, tests)
    needed = minimum_rows(len(reference), len(columns), level, spec.power, spec.effect)
    outcome: Outcome = "insufficient"
    results: tuple[TestResult, ...] = ()
    if needed is None or len(window) < needed:
        sentence = _decline(spec, len(reference), len(window), needed)
    else:
        results = tuple(r for test in tests.values() for r in test(reference, window, columns, level))
        outcome = "drift" if any(r.drift for r in results) else "no_drift"
        sentence = _explain(results, len(window), len(reference))
    return Verdict(
        outcome=outcome,
        sentence=sentence,
        rows=len(window),
        min_rows=needed,
        reference_rows=len(reference),
        alpha=spec.alpha,
        power=spec.power,
        effect=spec.effect,
        columns=columns,
        results=results,
        skipped=skipped,
    )


def _decline(spec: DriftSpec, reference_rows: int, rows: int, needed: int | None) -> str:
    goal = f"a power of {spec.power:g} against a shift of {spec.effect:g}"
    if needed is None:
        return (
            f"No judgement possible: the reference has {reference_rows} rows, too few for {goal} in any window; "
            "train with more data or allow a larger effect."
        )
    return f"No judgement yet: {rows} rows of the {needed} that {goal} needs; {needed - rows} more to come."


def _explain(results: tuple[TestResult, ...], rows: int, reference_rows: int) -> str:
    sizes = f"{rows} served rows against {reference_rows} reference rows"
    hits = [r for r in results if r.drift]
    if not hits:
        worst = min(results, key=lambda r: r.p_value / r.alpha)
        where = "all columns together" if worst.column == JOINT else worst.column
        return f"No drift in {sizes}; nearest is {where} ({_show(worst)})."
    singles = [r for r in hits if r.column != JOINT]
    if not singles:
        return f"Drift in {sizes}: no single column, but their joint distribution moved ({_show(hits[0])})."
    by_column = {r.column: r for r in sorted(singles, key=lambda r: r.statistic / r.threshold)}
    top = sorted(by_column.values(), key=lambda r: -r.statistic / r.threshold)
    named = ", ".join(f"{r.column} ({_show(r)})" for r in top[:3])
    more = f" and {len(top) - 3} more" if len(top) > 3 else ""
    return f"Drift in {sizes}: {named}{more}."


def _show(result: TestResult) -> str:
    sign = ">" if result.statistic > result.threshold else "<="
    p = f"p = {result.p_value:.2g}" if result.p_value >= 1e-4 else "p < 0.0001"
    return f"{result.detector} {result.statistic:.3f} {sign} {result.threshold:.3f}, {p} at level {result.alpha:.3g}"
