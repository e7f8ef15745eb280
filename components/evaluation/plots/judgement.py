"""The evaluation of a model that has a judge: loss beside its baselines', claims, and what the judge drew."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from components.evaluation.plots import formats as f
from components.evaluation.plots.markup import Html, badge, missing, table
from components.evaluation.plots.svg import esc

Record = Mapping[str, Any]
HELD = {True: ("holds", "good"), False: ("does not hold", "bad"), None: ("not judged", "plain")}


def judgement(title: str, evaluation: Record) -> str:
    """Return the page's body: an evaluation (``JudgedEvaluation.to_dict()``) with its ``plots``."""
    return f"<main><h1>{esc(title)}</h1>{losses(evaluation)}{claims(evaluation)}{plots(evaluation)}</main>"


def losses(evaluation: Record) -> str:
    """The model's loss, each baseline's, and whether the difference is more than luck."""
    told: Record = evaluation["judged"]
    unit = f", {told['unit']}" if told.get("unit") else ""
    rows: list[tuple[Any, ...]] = [("this model", f.number(told["loss"], 4), "", "")]
    for name, rival in told["baselines"].items():
        verdict = str((rival["test"] or {}).get("verdict") or "")
        rows.append((f.label(name), f.number(rival["loss"], 4), f.number(rival["ratio"], 3), verdict))
    caption = f"Out of sample, walk-forward and purged, {f.count(told['rows'])} rows; lower is better"
    return table(caption, ("", f"{told['name']}{unit}", "ratio", "test"), rows, {0: "own"}) + _by_entity(told)


def claims(evaluation: Record) -> str:
    """Every claim, whether it holds, and its figures."""
    found = evaluation["judged"]["claims"]
    if not found:
        return missing("The judge of this model makes no claims beyond its loss.")
    rows = [
        (f.label(claim["name"]), Html(badge(*HELD[claim["passed"]])), claim["detail"], _p(claim)) for claim in found
    ]
    return table("What the model promises, tested out of sample", ("claim", "", "in words", "p"), rows)


def plots(evaluation: Record) -> str:
    """What the judge drew."""
    return "".join(f"<h3>{esc(plot['title'])}</h3>{plot['html']}" for plot in evaluation.get("plots") or ())


def _p(claim: Record) -> str:
    return f.MISSING if claim["p_value"] is None else f.p_value(claim["p_value"])


def _by_entity(told: Record) -> str:
    found: Record = told.get("by_entity") or {}
    if len(found) < 2:
        return ""
    names = list(next(iter(found.values())))
    rows = [(entity, *(f.number(loss[name], 4) for name in names)) for entity, loss in found.items()]
    head = ("", *(f.label(name) if name != "model" else "this model" for name in names))
    return f"<details><summary>By entity</summary>{table('Mean loss', head, rows)}</details>"
