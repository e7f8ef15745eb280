"""The learning half of the training graph: train a candidate, evaluate the blend, let the gate decide."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from components.stages.data import read_json, write_json
from components.stages.request import Request, check_policy


def train(request: Request, name: str, dataset: Path, folds: Path, out: Path) -> dict[str, float]:
    """Train one candidate on every fold into the directory ``out``; return its metrics."""
    from components.data.dataset import Dataset
    from components.evaluation.splits import Folds
    from components.training import train_candidate

    out.mkdir(parents=True, exist_ok=True)
    told = train_candidate(request.spec(), name, Dataset.read(dataset), Folds.read(folds), out, request.params())
    return numbers({k: v for k, v in told.items() if k != "facts"})


def evaluate(
    request: Request,
    candidates: Mapping[str, Path],
    dataset: Path,
    folds: Path,
    lineage: Path,
    blend: Path,
    evaluation: Path,
    backtest: Path,
) -> dict[str, Any]:
    """Evaluate the blend of the candidates against its baselines and against production, and assemble its artifact.

    Writes the artifact into the directory ``blend``, the evaluation as JSON and the backtest as Parquet, and returns
    the evaluation.
    """
    from components.data.dataset import Dataset
    from components.evaluation.splits import Folds
    from components.registry.versions import production
    from components.training import assemble
    from components.training import evaluate as judge

    spec, params = request.spec(), request.params()
    data, parts = Dataset.read(dataset), Folds.read(folds)
    found = judge(spec, data, parts, candidates, params, production(request.model))
    origin = read_json(lineage)
    told: dict[str, Any] = found.to_dict() | _tuning(origin)
    write_json(evaluation, told | {"plots": [asdict(plot) for plot in getattr(found, "plots", ())]})
    found.backtest.to_parquet(backtest, index=False)
    metadata = {"lineage": origin, "metrics": headline(told), "evaluation": told}
    assemble(spec, data, parts, candidates, params, metadata, blend)
    return told


def _tuning(origin: Mapping[str, Any]) -> dict[str, Any]:
    """Return how the hyper-parameters were chosen, as the tuning graph wrote it into the lineage."""
    return {"tuning": json.loads(origin["tuning"])} if origin.get("tuning") else {}


def gate(request: Request, evaluation: Path, policy: str, decision: Path) -> dict[str, Any]:
    """Decide whether the evaluated blend is registered; write and return the decision.

    Parameters
    ----------
    policy : str
        ``gate``: as the spec's gate says. ``force``: register in any case, and say so; for drills such as a
        deliberately bad canary.

    Returns
    -------
    dict
        ``promote``, ``reason`` (one sentence), ``checks``, ``forced``.
    """
    from components.evaluation.gate import decide

    check_policy(policy)
    verdict = decide(request.spec(), read_json(evaluation))
    forced = policy == "force" and not verdict.promote
    reason = f"Registered by force for a drill, although: {verdict.reason}" if forced else verdict.reason
    told = {
        "promote": verdict.promote or forced,
        "reason": reason,
        "forced": forced,
        "checks": [asdict(check) for check in verdict.checks],
    }
    write_json(decision, told)
    return told


def decision_card(decision: Mapping[str, Any]) -> str:
    """Return the gate's decision as Markdown."""
    rows = ["| check | passed | detail |", "|---|---|---|"]
    for check in decision["checks"]:
        detail = "; ".join(f"{k}: {v}" for k, v in check.items() if k not in ("name", "passed"))
        rows.append(f"| {check.get('name', '')} | {'yes' if check.get('passed') else 'no'} | {detail} |")
    word = "Promoted" if decision["promote"] else "Refused"
    return f"# {word}\n\n{decision['reason']}\n\n" + "\n".join(rows) + "\n"


def numbers(tree: Mapping[str, Any], prefix: str = "") -> dict[str, float]:
    """Return the finite numbers of a nested mapping by dotted path; Kubeflow's metrics take nothing else."""
    found: dict[str, float] = {}
    for key, value in tree.items():
        if isinstance(value, Mapping):
            found.update(numbers(value, f"{prefix}{key}."))
        elif isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value):
            found[f"{prefix}{key}"] = float(value)
    return found


def headline(evaluation: Mapping[str, Any]) -> dict[str, float]:
    """Return the evaluation's scalars for the metrics table."""
    return numbers(evaluation.get("metrics", evaluation))
