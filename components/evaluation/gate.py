"""The gate: may this version be promoted? A pure function of the evaluation's figures, with its reason."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from components.evaluation.check import Check
from components.evaluation.judged_gate import judged_checks, judged_notes
from components.models.spec import ModelSpec


@dataclass(frozen=True)
class Verdict:
    """Outcome of the gate; every check must pass."""

    promote: bool
    reason: str
    checks: list[Check]

    def to_dict(self) -> dict[str, Any]:
        """Return a JSON-ready dictionary."""
        return asdict(self)


def decide(spec: ModelSpec, evaluation: Mapping[str, Any]) -> Verdict:
    """Compare with the baseline and with production.

    Parameters
    ----------
    spec : ModelSpec
        Its ``gate`` holds the limits.
    evaluation : mapping
        :meth:`components.evaluation.result.Evaluation.to_dict`, of which ``gate`` and ``production`` are read.

    Returns
    -------
    Verdict
        ``reason`` is one sentence: the figures that decided it, and what the model does not achieve.
    """
    figures, production = evaluation["gate"], evaluation["production"]
    checks = [*(judged_checks if spec.judge else _forecast_checks)(spec, figures), _production(spec, production)]
    failed = [c for c in checks if not c.passed]
    if failed:
        return Verdict(False, f"Refused: {'; '.join(c.detail for c in failed)}.", checks)
    notes = judged_notes(spec, figures) if spec.judge else _notes(figures)
    caveat = f"; but {', and '.join(notes)}" if notes else ""
    return Verdict(True, f"Promoted: {'; '.join(c.detail for c in checks[1:])}{caveat}.", checks)


def _forecast_checks(spec: ModelSpec, figures: Mapping[str, Any]) -> list[Check]:
    return [
        _finite(figures),
        _beats_baseline(spec, figures),
        _point(spec, figures),
        *([_coverage(spec, figures)] if figures.get("coverage") is not None else []),
    ]


def _finite(figures: Mapping[str, Any]) -> Check:
    good = bool(figures["all_finite"]) and _number(figures["ratio"]) is not None
    return Check(
        "finite", good, "every forecast is a finite number" if good else "some forecasts are not finite numbers"
    )


def _beats_baseline(spec: ModelSpec, figures: Mapping[str, Any]) -> Check:
    ratio, p = _number(figures["ratio"]), _number(figures["test"]["p_value"])
    passed = ratio is not None and ratio < 1 and p is not None and p < spec.gate.alpha
    test = f"Diebold-Mariano p = {p:.2g}" if p is not None else str(figures["test"]["verdict"])
    shown = f"{math.nan if ratio is None else ratio:.3f} times the {_words(figures['baseline'])}'s ({test})"
    metric = _words(figures["metric"])
    if passed:
        return Check("baseline", True, f"its {metric} is {shown}")
    return Check("baseline", False, f"its {metric} is {shown}, not significantly below it at {spec.gate.alpha:g}")


def _point(spec: ModelSpec, figures: Mapping[str, Any]) -> Check:
    ratio = _number(figures["rmse_ratio"])
    passed = ratio is not None and ratio <= spec.gate.max_rmse_ratio
    shown = math.nan if ratio is None else ratio
    relation = "within" if passed else "above"
    return Check("rmse", passed, f"RMSE ratio {shown:.4f} is {relation} the limit of {spec.gate.max_rmse_ratio:g}")


def _coverage(spec: ModelSpec, figures: Mapping[str, Any]) -> Check:
    got = float(figures["coverage"])
    passed = abs(got - spec.coverage) <= spec.gate.coverage_tolerance
    relation = "within" if passed else "outside"
    detail = (
        f"{figures['coverage_horizon']} coverage {got:.1%} is {relation} {spec.gate.coverage_tolerance:.0%} "
        f"of the nominal {spec.coverage:.0%}"
    )
    return Check("coverage", passed, detail)


def _production(spec: ModelSpec, production: Mapping[str, Any]) -> Check:
    if not production["compared"]:
        return Check("production", True, str(production["reason"]))
    loss = _number(production["loss"])
    passed = loss is not None and loss <= spec.gate.max_loss_to_production
    shown = math.nan if loss is None else loss
    detail = (
        f"{'not worse' if passed else 'worse'} than production by more than {spec.gate.max_loss_to_production:.0%} "
        f"({shown:+.1%} on {production['rows']} rows after its training)"
    )
    return Check("production", passed, detail)


def _notes(figures: Mapping[str, Any]) -> list[str]:
    """Say what the checks do not: how the point forecast and the interval compare with harder baselines."""
    notes = []
    baseline, alpha = _words(figures["baseline"]), figures["alpha"]
    if not _significant(figures["point_test"], figures["rmse_ratio"], alpha):
        notes.append(f"its point forecast does not beat the {baseline}")
    drift = figures.get("drift")
    if drift and not _significant(drift["test"], drift["rmse_ratio"], alpha):
        notes.append(f"its point forecast does not beat a constant drift (RMSE ratio {drift['rmse_ratio']:.4f})")
    for name, ratio in figures["other_baselines"].items():
        p = _number(figures["other_tests"][name]["p_value"])
        if _number(ratio) is None or (ratio < 1 and p is not None and p < alpha):
            continue
        shown = "not defined" if p is None else f"{p:.2g}"
        notes.append(
            f"its {_words(figures['metric'])} does not beat the {_words(name)}'s (ratio {ratio:.3f}, p = {shown})"
        )
    return notes


def _significant(test: Mapping[str, Any], ratio: float | None, alpha: float) -> bool:
    p = _number(test["p_value"])
    return ratio is not None and ratio < 1 and p is not None and p < alpha


def _words(name: str) -> str:
    return {"random_walk_ewma": "EWMA-scaled random walk", "random_walk_drift": "random walk with drift"}.get(
        name, name.replace("_", " ")
    )


def _number(value: Any) -> float | None:
    return float(value) if isinstance(value, int | float) and math.isfinite(value) else None
