"""The model card: what a version is for, how good it is against what, on which data, and what it is not for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from components.evaluation.plots import formats as f
from components.evaluation.plots.horizons import order_horizons
from components.models.spec import ModelSpec

Record = Mapping[str, Any]


def model_card(
    spec: ModelSpec,
    evaluation: Record,
    *,
    verdict: Record | None = None,
    lineage: Record | None = None,
    version: str = "",
) -> str:
    """Return the card as Markdown; every number comes from the arguments.

    Parameters
    ----------
    spec : ModelSpec
        The declaration.
    evaluation : mapping
        ``Evaluation.to_dict()``.
    verdict : mapping, optional
        The gate's ``promote``, ``reason`` and ``checks``.
    lineage : mapping, optional
        Where the version comes from.
    version : str
        Registered version; empty when it was not registered.
    """
    word = (
        f"Registered as version {version}."
        if version
        else "Not registered. A version that is not registered is never served."
    )
    period: Record = evaluation.get("period") or {}
    origin = {k: v for k, v in (lineage or {}).items() if k != "tuning"}
    intervals = f" with {f.percent(spec.coverage, 0)} intervals" if len(spec.outputs) == 3 else ""
    parts = [
        f"# {text(spec.title)}",
        text(spec.summary),
        *(f"> {text(line)}" for line in spec.disclaimers),
        f"**{text((verdict or {}).get('reason') or 'No gate has judged it.')}** {word}",
        "## Use",
        f"{purpose(spec, intervals)} Owner: {text(spec.owner)}. It informs; it is not meant to trade on, "
        "and not for securities or bars unlike those it was trained on.",
        "## How good, against what",
        f"Out of sample, walk-forward and purged, {f.count(evaluation.get('rows'))} "
        + ("answers" if spec.judge else "forecasts per horizon")
        + (f", {f.date(period['from'])} to {f.date(period['until'])}." if period else "."),
        *(judgement(evaluation) if spec.judge else forecasts(evaluation)),
        *tuning(evaluation),
        "## Data and lineage",
        f"Licence of the data: {text(spec.data_licence)}.",
        table(("fact", "value"), [(f.label(k), v) for k, v in origin.items() if v not in ("", None)]),
        "## The gate",
        table(("check", "result", "in words"), [_check(check) for check in (verdict or {}).get("checks") or ()]),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def purpose(spec: ModelSpec, intervals: str) -> str:
    """What it answers."""
    if spec.judge:
        return f"Answers {', '.join(f'`{name}`' for name in spec.outputs)}."
    return f"Forecasts `{spec.target}` at {', '.join(f.horizon(h) for h in spec.horizons)}{intervals}."


def forecasts(evaluation: Record) -> list[str]:
    """The sections about forecasts of a target."""
    return [
        scores(evaluation),
        "## Tests",
        tests(evaluation),
        "## By volatility regime",
        regimes(evaluation),
    ]


def judgement(evaluation: Record) -> list[str]:
    """The sections about answers that a judge scored: losses beside the baselines', and claims."""
    told: Record = evaluation["judged"]
    rows: list[tuple[Any, ...]] = [("this model", f.number(told["loss"], 4), "", "")]
    rows += [
        (f.label(name), f.number(rival["loss"], 4), f.number(rival["ratio"], 3), (rival["test"] or {}).get("verdict"))
        for name, rival in told["baselines"].items()
    ]
    words = {True: "holds", False: "does not hold", None: "not judged"}
    claims = [(f.label(c["name"]), words[c["passed"]], c["detail"]) for c in told["claims"]]
    return [
        table(("", f"{told['name']} (lower is better)", "ratio", "test"), rows),
        "## Claims",
        table(("claim", "result", "in words"), claims) or "The judge makes no claims beyond the loss.",
    ]


def scores(evaluation: Record) -> str:
    """The blend beside every baseline, by horizon."""
    rows = []
    horizons: Record = evaluation.get("horizons") or {}
    for name in order_horizons(horizons):
        own: Record = horizons[name]
        for who, score in (("model", own), *(own.get("baselines") or {}).items()):
            rows.append(
                (
                    f.horizon(name),
                    f.label(who),
                    f.percent(score.get("rmse"), 3),
                    f.number(score.get("mase"), 4),
                    f.percent(score.get("balanced_directional_accuracy")),
                    f.percent(score.get("coverage")),
                    f.percent(score.get("interval_score"), 2),
                )
            )
    return table(("horizon", "forecast", "RMSE", "MASE", "direction, balanced", "coverage", "interval score"), rows)


def tests(evaluation: Record) -> str:
    """Every test's verdict, as the test states it."""
    found: Record = evaluation.get("tests") or {}
    lines = [
        f"- {f.horizon(name)}, {text(f.label(what))}: {text(result.get('verdict', ''))}"
        for name in order_horizons(found)
        for what, result in found[name].items()
    ]
    return "\n".join(lines) or "No test was made."


def regimes(evaluation: Record) -> str:
    """Coverage by regime and horizon."""
    found: Record = evaluation.get("by_regime") or {}
    names = order_horizons(evaluation.get("horizons") or {})
    rows = [
        (f.label(regime), *(f.percent((found[regime].get(name) or {}).get("coverage")) for name in names))
        for regime in found
    ]
    return table(("coverage in", *(f.horizon(name) for name in names)), rows) or "The model has no regimes."


def tuning(evaluation: Record) -> list[str]:
    """How the hyper-parameters were chosen, and whether that is more than luck; nothing when they were not tuned."""
    found: Record = evaluation.get("tuning") or {}
    if not found:
        return []
    names = ("engine", "trials", "failed_trials", "default_score", "best_score", "deflated_score", "survives")
    facts = [(f.label(name), found.get(name)) for name in names]
    chosen = [(f.label(name), value) for name, value in (found.get("best_params") or {}).items()]
    return ["## Tuning", text(found.get("sentence", "")), table(("fact", "value"), facts + chosen)]


def table(header: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """Markdown table; empty without rows."""
    if not rows:
        return ""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(text(cell) for cell in line) + " |" for line in lines)


def text(value: Any) -> str:
    """Escape what Markdown or the HTML inside it would interpret; a line break becomes a space."""
    flat = " ".join(str(value).split("\n"))
    for mark, safe in (
        ("&", "&amp;"),
        ("<", "&lt;"),
        (">", "&gt;"),
        ("|", "\\|"),
        ("`", "\\`"),
        ("[", "\\["),
        ("*", "\\*"),
    ):
        flat = flat.replace(mark, safe)
    return flat


def _check(check: Record) -> tuple[str, str, str]:
    return str(check.get("name", "")), "passed" if check.get("passed") else "failed", str(check.get("detail", ""))
