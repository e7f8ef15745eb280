"""Metrics as tables: the blend and its members beside the baselines, tests in words, regimes, direction, weights."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from components.evaluation.plots import formats as f
from components.evaluation.plots.horizons import order_horizons
from components.evaluation.plots.markup import Html, badge, missing, table
from components.evaluation.plots.summary import summarise
from components.evaluation.plots.svg import esc
from components.evaluation.plots.weights import weights

if TYPE_CHECKING:
    import pandas as pd

Record = Mapping[str, Any]
Form = Callable[[Any], str]
GROUPS = {"by_regime": "volatility regime", "by_entity": "security"}


def _fine(value: Any) -> str:
    return f.percent(value, 3)


COLUMNS: tuple[tuple[str, str, Form], ...] = (
    ("rmse", "RMSE", _fine),
    ("mae", "MAE", _fine),
    ("mape", "MAPE", lambda v: f.percent((f.finite(v) or math.nan) / 100, 3)),
    ("mase", "MASE", lambda v: f.number(v, 4)),
    ("r2", "R² of change", lambda v: f.number(v, 2)),
    ("r2_price", "R² of price", lambda v: f.number(v, 4)),
    ("directional_accuracy", "direction right", f.percent),
    ("balanced_directional_accuracy", "balanced", f.percent),
    ("coverage", "coverage", f.percent),
    ("width", "width", lambda v: f.percent(v, 2)),
    ("interval_score", "interval score", lambda v: f.percent(v, 2)),
)
"""Key in the evaluation, heading, format."""

NOTE = (
    "Errors, widths and interval scores are relative to the price at the origin. MASE below 1 beats the naive error "
    "of the "
    "training rows. R² of the price is near 1 for any forecast close to the last price; R² of the change is the one to "
    "read. A forecast of no change calls no direction and counts as wrong, so the random walk is right about never; "
    "balanced accuracy gives it a coin's 50 %."
)


def metrics_table(evaluation: Record) -> str:
    """Return the tables of an evaluation (``Evaluation.to_dict()``); what it does not hold is left out."""
    horizons: Record = evaluation.get("horizons") or {}
    if not horizons:
        return missing("The evaluation holds no scores.")
    names = order_horizons(horizons)
    parts = [scores(name, horizons[name], _members(evaluation, name)) for name in names]
    parts.append(f'<p class="small">{NOTE}</p>')
    parts.append(tests(evaluation, names))
    parts += [groups(evaluation, key, word, names) for key, word in GROUPS.items()]
    parts += [direction(evaluation, names), weights(evaluation, names), production(evaluation)]
    return "".join(parts)


def scores(horizon: str, own: Record, members: Record) -> str:
    """One horizon: the blend, its members where they were scored, then the baselines."""
    entries = [("blend", own, "ours"), *((n, m, "") for n, m in members.items())]
    entries += [(name, row, "base") for name, row in (own.get("baselines") or {}).items()]
    used = [column for column in COLUMNS if any(f.finite(row.get(column[0])) is not None for _, row, _ in entries)]
    rows = [(f.label(name), *(form(row.get(key)) for key, _, form in used)) for name, row, _ in entries]
    emphasis = {index: css for index, (_, _, css) in enumerate(entries)}
    count = f" ({f.count(own['rows'])} forecasts)" if f.finite(own.get("rows")) is not None else ""
    up = f.finite(own.get("up_rate"))
    rises = f". The price rose in {f.percent(up)} of them" if up is not None else ""
    return table(
        f"{f.horizon(horizon)} ahead{count}{rises}", ("forecast", *(word for _, word, _ in used)), rows, emphasis
    )


def tests(evaluation: Record, names: Sequence[str]) -> str:
    """Every test in a word and a p-value by horizon, and its own verdict sentence folded away."""
    found: Record = evaluation.get("tests") or {}
    kinds = list(dict.fromkeys(what for name in names for what in found.get(name) or {}))
    if not kinds:
        return missing("The evaluation holds no tests.")
    rows = [(_test_name(what), *(_word((found.get(n) or {}).get(what), what) for n in names)) for what in kinds]
    caption = Html("Is the difference more than luck?<small>One-sided p-values that allow for overlap</small>")
    short = table(caption, ("test", *(f.horizon(n) for n in names)), rows)
    every = [
        (
            f"{f.horizon(n)}: {_test_name(what)}",
            f.number(r.get("statistic"), 3),
            f.p_value(r.get("p_value")),
            r.get("verdict", ""),
        )
        for n in names
        for what, r in (found.get(n) or {}).items()
    ]
    full = table("Every test with its statistic and verdict", ("test", "statistic", "p-value", "verdict"), every)
    return f'{short}<details><summary>All {len(every)} tests</summary><div class="course">{full}</div></details>'


def _test_name(what: str) -> str:
    return "direction against chance" if what == "direction" else f.label(what).replace("rmse", "RMSE")


def _word(result: Record | None, what: str, alpha: float = 0.05) -> Html:
    """Better, worse (the opposite one-sided test), or no difference shown."""
    p = f.finite((result or {}).get("p_value"))
    if p is None:
        return badge("not computable", "plain")
    if p < alpha:
        word = badge("better", "good")
    else:
        word = badge("worse", "bad") if p > 1 - alpha else badge("no difference shown", "plain")
    return Html(f'{word} <span class="plain">{esc(f.p_value(p))}</span>')


def groups(evaluation: Record, key: str, word: str, names: Sequence[str]) -> str:
    """Ratios to the first baseline in every group, with coverage."""
    raw: Record = evaluation.get(key) or {}
    if not raw:
        return ""
    order = [name for name in ("low", "medium", "high") if name in raw]
    rows = []
    for group in [*order, *(name for name in raw if name not in order)]:
        for name in names:
            own: Record = raw[group].get(name) or {}
            base: Record = next(iter((own.get("baselines") or {}).values()), {})
            rows.append(
                (
                    f"{f.label(group)}, {f.horizon(name)}",
                    f.count(own.get("rows")),
                    ratio(own, base, "rmse"),
                    ratio(own, base, "interval_score"),
                    f.percent(own.get("coverage")),
                    f.percent(base.get("coverage")),
                    f.percent(own.get("balanced_directional_accuracy")),
                )
            )
    first = next(iter(next(iter(evaluation["horizons"].values())).get("baselines") or {"baseline": {}}))
    head = (
        word,
        "forecasts",
        "RMSE",
        "interval score",
        "coverage",
        f"coverage of the {f.label(first)}",
        "direction, balanced",
    )
    return table(
        f"By {word}: error and interval score relative to the {f.label(first)} (negative is better)", head, rows
    )


def ratio(own: Record, base: Record, key: str) -> str:
    """Relative difference to the baseline, signed."""
    a, b = f.finite(own.get(key)), f.finite(base.get(key))
    return f.percent(a / b - 1, 1, signed=True) if a is not None and b else f.MISSING


def direction(evaluation: Record, names: Sequence[str]) -> str:
    """Stated confidence in the direction against how often it was right."""
    told: Record = evaluation.get("confidence") or {}
    rows = [
        (
            f.horizon(n),
            f.percent(told[n].get("mean_probability")),
            f.percent(told[n].get("frequency")),
            f.percent(told[n].get("ece")),
            f.number(told[n].get("brier"), 3),
        )
        for n in names
        if n in told
    ]
    head = ("horizon", "stated confidence, mean", "direction right", "calibration error (ECE)", "Brier score")
    return table("Confidence in the direction, stated and earned", head, rows) if rows else ""


def production(evaluation: Record) -> str:
    """The comparison with the version in production, in one line."""
    found: Record = evaluation.get("production") or {}
    if not found:
        return ""
    if not found.get("compared"):
        return f"<p>Against production: {badge('not compared', 'plain')} {esc(found.get('reason', ''))}.</p>"
    loss = f.finite(found.get("loss"))
    kind = "good" if loss is not None and loss <= 0 else "warn"
    words = f"{f.percent(loss, 1, signed=True)} {f.label(found.get('metric', 'loss'))}"
    return (
        f"<p>Against production: {badge(words, kind)} on {f.count(found.get('rows'))} forecasts after its training.</p>"
    )


def _members(evaluation: Record, horizon: str) -> Record:
    """Scores of the members at a horizon, where the evaluation has them."""
    found: Record = (evaluation.get("members") or {}).get(horizon) or {}
    return found


def backtest_table(backtest: pd.DataFrame, level: float) -> str:
    """Key figures of a backtest by horizon."""
    rows = []
    for r in summarise(backtest, level):
        errors = (f.percent(r.rmse, 3), f.percent(r.rmse_base, 3), f.percent(r.coverage))
        others = (f.percent(r.score, 2), f.percent(r.score_base, 2), f.percent(r.direction), f.percent(r.constant_call))
        rows.append((f.horizon(r.horizon), f.count(r.rows), *errors, *others))
    head = (
        "horizon",
        "forecasts",
        "RMSE",
        "RMSE of a random walk",
        f"coverage (promised {f.percent(level, 0)})",
        "interval score",
        "score of the random walk's interval",
        "direction right",
        "always the commoner one",
    )
    return table("The backtest by horizon; errors and scores in percent of the price at the origin", head, rows)
