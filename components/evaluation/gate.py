"""The gate: may this version be promoted? A pure function of the evaluation's figures, with a reason in one sentence."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from components.models.spec import ModelSpec


@dataclass(frozen=True)
class Check:
    """One condition of the gate.

    Attributes
    ----------
    name : str
        Short name.
    passed : bool
        Whether it holds.
    detail : str
        The figures, in words.
    """

    name: str
    passed: bool
    detail: str


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
    checks = [
        _finite(figures),
        _beats_baseline(spec, figures),
        _point(spec, figures),
        *([_coverage(spec, figures)] if figures.get("coverage") is not None else []),
        _production(spec, production),
    ]
    failed = [c for c in checks if not c.passed]
    if failed:
        return Verdict(False, f"Refused: {'; '.join(c.detail for c in failed)}.", checks)
    details = [c.detail for c in checks[1:]]
    return Verdict(True, f"Promoted: {'; '.join([*details, *_shortcomings(figures)])}.", checks)


def _finite(figures: Mapping[str, Any]) -> Check:
    good = bool(figures["all_finite"]) and _number(figures["ratio"]) is not None
    return Check(
        "finite", good, "every forecast is a finite number" if good else "some forecasts are not finite numbers"
    )


def _beats_baseline(spec: ModelSpec, figures: Mapping[str, Any]) -> Check:
    ratio, p = _number(figures["ratio"]), _number(figures["test"]["p_value"])
    passed = ratio is not None and ratio < 1 and p is not None and p < spec.gate.alpha
    shown = f"p = {p:.2g}" if p is not None else str(figures["test"]["verdict"])
    verb = "is" if passed else "is not significantly below"
    what = f"{figures['metric'].replace('_', ' ')} {verb} {ratio or math.nan:.3f} times" if passed else ""
    name = figures["baseline"].replace("_", " ")
    if passed:
        detail = f"{what} the {name}'s (Diebold-Mariano {shown}, at {spec.gate.alpha:g})"
    else:
        detail = (
            f"{figures['metric'].replace('_', ' ')} {verb} the {name}'s "
            f"(ratio {ratio if ratio is not None else math.nan:.3f}, Diebold-Mariano {shown}, at {spec.gate.alpha:g})"
        )
    return Check("baseline", passed, detail)


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


def _shortcomings(figures: Mapping[str, Any]) -> list[str]:
    notes = []
    point = figures["point_test"]
    if _number(point["p_value"]) is None or point["p_value"] >= figures["alpha"] or figures["rmse_ratio"] >= 1:
        notes.append(f"the point forecast does not beat the {figures['baseline'].replace('_', ' ')}")
    for name, ratio in figures["other_baselines"].items():
        if _number(ratio) is not None and ratio >= 1:
            notes.append(f"it loses to {name.replace('_', ' ')} by {ratio - 1:.1%}")
        elif _number(ratio) is not None:
            notes.append(f"{1 - ratio:.1%} better than {name.replace('_', ' ')}")
    return notes


def _number(value: Any) -> float | None:
    return float(value) if isinstance(value, int | float) and math.isfinite(value) else None
