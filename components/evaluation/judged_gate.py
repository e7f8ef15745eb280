"""The gate's checks of a model that has a judge: its loss against its baseline's, and its claims."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from components.evaluation.check import Check
from components.models.spec import ModelSpec


def judged_checks(spec: ModelSpec, figures: Mapping[str, Any]) -> list[Check]:
    """Return the checks, the finite one first.

    Parameters
    ----------
    spec : ModelSpec
        Its gate says whether the baseline must be beaten or matched, and which claims must hold.
    figures : mapping
        ``gate`` of :func:`components.training.judged.judge_model`'s figures.
    """
    return [_finite(figures), _against_baseline(spec, figures), *_claims(spec, figures)]


def judged_notes(spec: ModelSpec, figures: Mapping[str, Any]) -> list[str]:
    """Say what the checks do not: baselines that are not beaten, and claims that do not hold but need not."""
    notes = []
    for name, rival in figures["baselines"].items():
        p = rival["test"]["p_value"]
        if p is None or p >= spec.gate.alpha:
            said = f"{_beside(rival, name)}, {_probability(rival['test'])}"
            notes.append(f"its {_words(figures['metric'])} does not beat the {_words(name)}'s ({said})")
    notes += [
        f"{_words(claim['name'])} does not hold ({claim['detail'].rstrip('.')})"
        for claim in figures["claims"]
        if claim["passed"] is False and claim["name"] not in spec.gate.claims
    ]
    return notes


def _finite(figures: Mapping[str, Any]) -> Check:
    good = bool(figures["all_finite"])
    return Check("finite", good, "every loss is a finite number" if good else "some losses are not finite numbers")


def _against_baseline(spec: ModelSpec, figures: Mapping[str, Any]) -> Check:
    said = f"its {_words(figures['metric'])} is {_beside(figures, figures['baseline'])}"
    if spec.gate.must == "beat":
        p = figures["test"]["p_value"]
        passed = p is not None and p < spec.gate.alpha
        told = _probability(figures["test"])
        return Check(
            "baseline", passed, f"{said} ({told})" if passed else f"{said}, not significantly below it ({told})"
        )
    p = figures["worse"]["p_value"]
    passed = p is None or p >= spec.gate.alpha
    return Check(
        "baseline", passed, f"{said}, {'not ' if passed else ''}significantly worse ({_probability(figures['worse'])})"
    )


def _claims(spec: ModelSpec, figures: Mapping[str, Any]) -> list[Check]:
    known = {claim["name"]: claim for claim in figures["claims"]}
    return [
        Check(name, known[name]["passed"] is True, known[name]["detail"].rstrip("."))
        if name in known
        else Check(name, False, f"the judge makes no claim {name!r}")
        for name in spec.gate.claims
    ]


def _beside(rival: Mapping[str, Any], name: str) -> str:
    """Tell the loss beside a baseline's; a ratio says nothing where losses may be negative."""
    if rival["ratio"] is not None:
        return f"{rival['ratio']:.3f} times the {_words(name)}'s"
    difference = rival["difference"]
    return f"{abs(difference):.4g} {'below' if difference < 0 else 'above'} the {_words(name)}'s"


def _probability(test: Mapping[str, Any]) -> str:
    p = test["p_value"]
    return f"Diebold-Mariano p = {p:.2g}" if p is not None else str(test["verdict"])


def _words(name: str) -> str:
    return name.replace("_", " ")
