"""How decisions are judged: what they earned over the next month net of costs, against equal shares."""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from components.data.dataset import Dataset
from components.data.sectors import sectors_of
from components.evaluation.bootstrap import interval, sharpe_difference
from components.evaluation.judge import Claim, Figure, Judge, Judged
from components.evaluation.plots.equity_curves import equity_curves
from components.evaluation.scoring import by_time
from components.models.contract import FloatArray, Outputs
from components.models.portfolio.auto_invest.data import PROFILES
from components.models.portfolio.auto_invest.decision import Action, decide
from components.models.portfolio.auto_invest.params import Params
from components.models.portfolio.auto_invest.question import Known, read
from components.models.portfolio.auto_invest.schemas import STRATEGY
from components.models.portfolio.auto_invest.signals import MARKET, TRAITS

SAMPLES: Final = 2000
LEVEL: Final = 0.95
BLOCK: Final = 6
"""Months of a resampled block."""

MOST_TURNOVER: Final = 0.3
"""What a strategy that starts from equal shares may trade in a month, decimal of its value."""

MOST_FALL: Final = 0.02
"""How much deeper than equal shares it may fall, decimal."""

_TOTAL, _ADDED = (next(i for i, c in enumerate(STRATEGY) if c.name == n) for n in ("total_value", "investment_amount"))


def held_before(data: Dataset) -> FloatArray:
    """Return the shares before trading of the value with the new money, shape (rows, securities)."""
    strategy = data.inputs["strategy"]
    share = strategy[:, _TOTAL] / (strategy[:, _TOTAL] + strategy[:, _ADDED])
    made: FloatArray = data.inputs["current_allocation"] * share[:, None]
    return made


def net_returns(outputs: Outputs, data: Dataset) -> FloatArray:
    """Return what each row's shares earned over its month less what it cost to reach them, decimal, shape (rows,)."""
    growth = np.prod(1 + data.targets["daily_return"], axis=1) - 1
    weights = outputs["allocation"]
    cost = Params().cost_rate * np.abs(weights - held_before(data)).sum(axis=1)
    made: FloatArray = np.einsum("ij,ij->i", weights, growth) - cost
    return made


def loss(outputs: Outputs, data: Dataset) -> FloatArray:
    """Return minus the net return, decimal."""
    return -net_returns(outputs, data)


def equal_weight(history: Dataset, test: Dataset) -> Outputs:
    """Rebalance to equal shares within the same limits and the same allowed exposure."""
    params = Params()
    names = tuple(sorted({str(name) for name in np.unique(test.inputs["security_id"].astype(str)) if name}))
    sectors = sectors_of(names)
    nothing = np.zeros((len(names), len(TRAITS)))
    known = Known(names, tuple(sectors[n] for n in names), nothing, np.zeros(len(MARKET)))
    weights = np.zeros(test.inputs["current_allocation"].shape)
    for row in range(len(test)):
        question = read(test.inputs, row, known, params)
        decision = decide(params, Action.neutral(len(question.place)), question.situation)
        weights[row, question.slot] = decision.weights
    return {"allocation": weights}


def buy_and_hold(history: Dataset, test: Dataset) -> Outputs:
    """Keep what is held; new money stays cash."""
    return {"allocation": held_before(test)}


def cash(history: Dataset, test: Dataset) -> Outputs:
    """Sell everything."""
    return {"allocation": np.zeros(test.inputs["current_allocation"].shape)}


def claims(judged: Judged) -> list[Claim]:
    """Test what the strategy promises."""
    return [
        _not_worse(judged),
        _sharpe(judged),
        _conserved(judged),
        _limits(judged),
        _turnover(judged),
        _drawdown(judged),
        _calibrated(judged),
    ]


def _block(judged: Judged, times: int) -> int:
    """Six months, in times; overlapping months count once."""
    apart = int(np.median(np.diff(np.unique(judged.data.times)).astype("timedelta64[D]").astype(int)))
    return max(1, min(BLOCK * 30 // max(apart, 1), times // 4))


def _series(judged: Judged) -> tuple[FloatArray, FloatArray]:
    """Net returns of the strategy and of equal shares, mean over the users of a time."""
    times = judged.data.times
    return -by_time(judged.loss, times), -by_time(judged.baseline_losses["equal_weight"], times)


def _not_worse(judged: Judged) -> Claim:
    ours, theirs = _series(judged)
    excess = ours - theirs
    low, high = interval(lambda x: float(x.mean()), excess, _block(judged, len(excess)), SAMPLES, 7, LEVEL)
    detail = (
        f"net of costs a month earned {excess.mean():+.4%} more than equal shares, {LEVEL:.0%} interval {low:+.4%} to "
        f"{high:+.4%}; it was not worse in {np.mean(excess >= -1e-12):.0%} of {len(excess)} times"
    )
    return Claim("not_worse_than_equal_weight", bool(high >= 0), detail, float(excess.mean()))


def _sharpe(judged: Judged) -> Claim:
    ours, theirs = _series(judged)
    test = sharpe_difference(ours, theirs, _block(judged, len(ours)), SAMPLES, 7)
    worse = test.statistic is not None and test.statistic < 0 and test.p_value is not None and test.p_value < 1 - LEVEL
    return Claim("sharpe_not_lower", not worse, test.verdict, test.statistic, test.p_value)


def _conserved(judged: Judged) -> Claim:
    weights = judged.outputs["allocation"]
    trade = judged.outputs["trade"]
    rate = Params.from_json(judged.params).cost_rate
    cost = rate * np.abs(weights - held_before(judged.data)).sum(axis=1)
    off = float(np.abs(weights.sum(axis=1) + trade[:, 3] + cost - 1).max())
    least = float(trade[:, 3].min())
    detail = f"holdings, cash and costs differ from the value by at most {off:.1e} of it; the least cash is {least:.1e}"
    return Claim("cash_conserved", off < 1e-9 and least >= -1e-12, detail, off)


def _limits(judged: Judged) -> Claim:
    weights, strategy = judged.outputs["allocation"], judged.data.inputs["strategy"]
    columns = {column.name: strategy[:, i] for i, column in enumerate(STRATEGY)}
    beyond = np.maximum(weights.max(axis=1) - columns["max_position_size"], 0.0)
    many = np.count_nonzero(weights > 1e-9, axis=1) > columns["max_positions"]
    broken = (beyond > 1e-9) | many | (weights.min(axis=1) < 0) | _sector_broken(judged)
    detail = f"{int(broken.sum())} of {len(weights)} answers exceed a position, a sector or the number of positions"
    return Claim("limits_kept", not broken.any(), detail, float(broken.sum()))


def _sector_broken(judged: Judged) -> Any:
    inputs, weights = judged.data.inputs, judged.outputs["allocation"]
    ids = inputs["security_id"].astype(str)
    table = sectors_of(sorted(set(ids.reshape(-1)) - {""}))
    own = np.vectorize(lambda name: table.get(name, ""), otypes=[object])(ids)
    limited, share = inputs["limit_sector"], inputs["limit_share"]
    broken = np.zeros(len(weights), dtype=bool)
    for place in range(limited.shape[1]):
        named = limited[:, place] != ""
        held = np.where(own == limited[:, place][:, None], weights, 0.0).sum(axis=1)
        broken |= named & (held > share[:, place] + 1e-9)
    return broken


def _turnover(judged: Judged) -> Claim:
    first = judged.data.entities == PROFILES[0]
    mean = float(judged.outputs["trade"][first, 1].mean())
    detail = f"from equal shares a month ago, {mean:.1%} of the value is traded on average, at most {MOST_TURNOVER:.0%}"
    return Claim("turnover", mean <= MOST_TURNOVER, detail, mean)


def _drawdown(judged: Judged) -> Claim:
    _, curves = _curves(judged)
    ours, theirs = (fall(curves[name]) for name in ("auto-invest", "equal weight"))
    detail = f"largest fall {ours:.1%}, of equal shares {theirs:.1%}; month by month, each from equal shares"
    return Claim("max_drawdown", ours <= theirs + MOST_FALL, detail, ours)


def _calibrated(judged: Judged) -> Claim:
    """Compare the confidence with how often a month was not worse."""
    gained = judged.baseline_losses["equal_weight"] - judged.loss >= -1e-12
    said = judged.outputs["confidence"][:, 0]
    times = judged.data.times
    bias = by_time(said - gained, times)
    low, high = interval(lambda x: float(x.mean()), bias, _block(judged, len(bias)), SAMPLES, 7, LEVEL)
    skill = 1 - float(((said - gained) ** 2).mean()) / 0.25
    detail = (
        f"mean confidence {said.mean():.1%}, months not worse {gained.mean():.1%}, {LEVEL:.0%} interval of the "
        f"difference {low:+.1%} to {high:+.1%}; Brier skill over even odds {skill:+.3f}"
    )
    return Claim("confidence_calibrated", bool(low <= 0 <= high), detail, float(bias.mean()))


def fall(values: FloatArray) -> float:
    """Return the largest fall from a high, decimal, not negative."""
    return float((1 - values / np.maximum.accumulate(values)).max())


def _curves(judged: Judged) -> tuple[Any, dict[str, FloatArray]]:
    """Chain the index investor's months that do not overlap; return their ends and the values from 1."""
    rows: list[int] = []
    for row in np.flatnonzero(judged.data.entities == PROFILES[0]):
        if not rows or judged.data.times[row] >= judged.data.label_times[rows[-1]]:
            rows.append(int(row))
    every = {"auto-invest": judged.loss, "equal weight": judged.baseline_losses["equal_weight"]}
    every |= {"buy and hold": judged.baseline_losses["buy_and_hold"]}
    times = np.concatenate([judged.data.times[rows[:1]], judged.data.label_times[rows]])
    return times, {name: np.concatenate([[1.0], np.cumprod(1 - loss[rows])]) for name, loss in every.items()}


def figures(judged: Judged) -> list[Figure]:
    """Draw the course of the index investor."""
    times, curves = _curves(judged)
    ratio = np.diff(np.log(curves["auto-invest"]) - np.log(curves["equal weight"]))
    width = 1.645 * ratio.std() * np.sqrt(np.arange(len(times)))
    band = (curves["equal weight"] * np.exp(-width), curves["equal weight"] * np.exp(width))
    note = (
        "Every month starts from equal shares of a month ago. The band is where 90 % of strategies of this tracking "
        "error and no skill would lie."
    )
    return [Figure("Auto-invest against 1/N", equity_curves(times, curves, {"equal weight": band}, note))]


JUDGE = Judge(
    name="net monthly loss",
    loss=loss,
    baselines={"equal_weight": equal_weight, "buy_and_hold": buy_and_hold, "cash": cash},
    claims=claims,
    figures=figures,
    unit="decimal of the value",
)
