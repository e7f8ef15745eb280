"""How the optimiser is judged: by the variance of the month that follows, never by its Sharpe ratio alone."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from components.data.dataset import Dataset
from components.data.sectors import sectors_of
from components.evaluation import bootstrap
from components.evaluation.judge import Claim, Figure, Judge, Judged
from components.evaluation.plots import formats as f
from components.evaluation.plots.efficient_frontier import efficient_frontier
from components.evaluation.plots.markup import table
from components.models.contract import FloatArray, Outputs
from components.models.portfolio.portfolio_optimizer.data import FREE
from components.models.portfolio.portfolio_optimizer.estimate import estimate
from components.models.portfolio.portfolio_optimizer.measures import volatility
from components.models.portfolio.portfolio_optimizer.outcome import drifted, held_returns, realised_variance
from components.models.portfolio.portfolio_optimizer.params import METHODS, MONTH, YEAR
from components.models.portfolio.portfolio_optimizer.schemas import CONSTRAINTS

SAMPLES, SEED, LEVEL = 1000, 7, 0.9
WANTED = -0.2
"""Change of volatility against 1/N that a version must reach, decimal."""
MET = 2e-5
"""How far a served weight may miss a limit."""
COLUMN = {column.name: i for i, column in enumerate(CONSTRAINTS)}


def loss(outputs: Outputs, data: Dataset) -> FloatArray:
    """Return the annualised mean square of the next month's daily returns, shape (rows,)."""
    return realised_variance(outputs["weight"], data.targets["next_returns"])


def equal_weights(history: Dataset, test: Dataset) -> Outputs:
    """1/N of the securities that the row names."""
    held = (test.inputs["security_id"] != "").astype(float)
    return {"weight": held / held.sum(axis=1, keepdims=True)}


def inverse_volatility(history: Dataset, test: Dataset) -> Outputs:
    """Weights in proportion to one over each security's volatility in the row's history."""
    held = test.inputs["security_id"] != ""
    deviation = test.inputs["history"].std(axis=1)
    inverse = np.divide(1.0, deviation, out=np.zeros_like(deviation), where=held & (deviation > 0))
    return {"weight": inverse / inverse.sum(axis=1, keepdims=True)}


def last_weights(history: Dataset, test: Dataset) -> Outputs:
    """What is held, left alone."""
    return {"weight": test.inputs["current_weight"]}


def volatility_ratio(pair: npt.NDArray[Any]) -> float:
    """Return the first column's volatility over the second's, less one; shape (days, 2)."""
    return float(pair[:, 0].std() / pair[:, 1].std() - 1)


def daily(weights: npt.NDArray[Any], data: Dataset) -> FloatArray:
    """Return the daily returns of monthly rebalanced weights, month after month, shape (months * days,)."""
    return held_returns(weights, data.targets["next_returns"]).reshape(-1)


def turnovers(weights: npt.NDArray[Any], data: Dataset) -> FloatArray:
    """Return the share of the portfolio that each rebalancing after the first changes, shape (months - 1,)."""
    before = drifted(weights[:-1], data.targets["next_returns"][:-1])
    made: FloatArray = np.abs(weights[1:] - before).sum(axis=1) / 2
    return made


def broken(weights: npt.NDArray[Any], data: Dataset) -> list[str]:
    """Return every limit of every row that the weights miss, in words."""
    found = []
    for row in range(len(data)):
        inputs = {name: values[row] for name, values in data.inputs.items()}
        found += [f"row {row}: {name}" for name in _missed(weights[row], inputs)]
    return found


def _missed(weights: FloatArray, inputs: dict[str, Any]) -> list[str]:
    held = inputs["security_id"] != ""
    limits, current = inputs["constraints"], inputs["current_weight"]
    sectors = np.array(list(sectors_of(map(str, inputs["security_id"][held])).values()))
    asked = zip(inputs["sector_name"], inputs["sector_limit"], strict=True)
    most = limits[COLUMN["max_positions"]]
    changed = (np.abs(weights - current).sum() + max(0.0, 1 - current.sum())) / 2
    checks = {
        "weights sum to one": abs(weights.sum() - 1) <= MET,
        "nothing is sold short": bool((weights >= -MET).all()),
        "no security that was not named": bool((np.abs(weights[~held]) <= MET).all()),
        "min_weight": bool((weights >= inputs["min_weight"] - MET).all()),
        "max_weight": bool((weights[held] <= inputs["max_weight"][held] + MET).all()),
        "max_positions": not most or (weights > MET).sum() <= most,
        "turnover_limit": changed <= limits[COLUMN["turnover_limit"]] + MET,
        "sector_limit": all(weights[held][sectors == name].sum() <= limit + MET for name, limit in asked if name != ""),
    }
    return [name for name, met in checks.items() if not met]


def claims(judged: Judged) -> list[Claim]:
    """Return the claims, the two that the gate reads first."""
    free = np.flatnonzero(judged.data.entities == FREE)
    data, weights = judged.data.take(free), judged.outputs["weight"][free]
    equal = judged.baselines["equal_weight"]["weight"][free]
    pair = np.column_stack([daily(weights, data), daily(equal, data)])
    return [
        _volatility_cut(pair),
        _constraints_met(judged),
        _turnover(weights, data),
        _sharpe(pair),
        _confidence(judged),
        _expected(judged),
    ]


def _volatility_cut(pair: FloatArray) -> Claim:
    ratio = volatility_ratio(pair)
    low, high = bootstrap.interval(volatility_ratio, pair, MONTH, SAMPLES, SEED, LEVEL)
    told = (
        f"volatility of the minimum variance portfolio of all securities {f.percent(ratio, signed=True)} against 1/N's "
        f"(90 % interval {f.percent(low, signed=True)} to {f.percent(high, signed=True)}, blocks of a month); "
        f"at most {f.percent(WANTED, 0, signed=True)} is wanted, and an interval below 0"
    )
    return Claim("volatility_cut", ratio <= WANTED and high < 0, told, ratio)


def _constraints_met(judged: Judged) -> Claim:
    missed = broken(judged.outputs["weight"], judged.data)
    steps = int((judged.outputs["fallback_step"] > 0).sum())
    told = f"every limit of {len(judged.data)} questions is met" if not missed else f"missed: {'; '.join(missed[:5])}"
    return Claim("constraints_met", not missed, f"{told}; {steps} answers come from a fallback", float(len(missed)))


def _turnover(weights: FloatArray, data: Dataset) -> Claim:
    mean = float(turnovers(weights, data).mean())
    yearly = mean * 2 * YEAR / MONTH * 1e-3
    told = (
        f"{f.percent(mean)} of the minimum variance portfolio changes hands a month, "
        f"which costs {f.percent(yearly, 2)} a year at 10 basis points"
    )
    return Claim("turnover", yearly < 0.005, f"{told}; below 0.5 % is wanted", mean)


def _sharpe(pair: FloatArray) -> Claim:
    test = bootstrap.sharpe_difference(pair[:, 0], pair[:, 1], MONTH, SAMPLES, SEED)
    if test.statistic is None or test.p_value is None:
        return Claim("sharpe_not_lower", None, test.verdict)
    yearly = test.statistic * math.sqrt(YEAR)
    told = (
        f"Sharpe ratio less that of 1/N, before cost: {yearly:+.2f} a year (p = {test.p_value:.2g}); says little alone"
    )
    return Claim("sharpe_not_lower", yearly > 0 or test.p_value >= 0.05, told, yearly, test.p_value)


def _confidence(judged: Judged) -> Claim:
    calmer = judged.loss < judged.baseline_losses["equal_weight"]
    said, rate = float(judged.outputs["confidence"].mean()), float(calmer.mean())
    brier = float(((judged.outputs["confidence"] - calmer) ** 2).mean())
    naive = rate * (1 - rate)
    told = (
        f"months calmer than 1/N's: {f.percent(rate)}, {f.percent(said)} were expected; Brier score {brier:.3f}, "
        f"{naive:.3f} of always saying the rate in hindsight"
    )
    return Claim("confidence_calibrated", abs(said - rate) <= 0.05, told, said - rate)


def _expected(judged: Judged) -> Claim:
    ratio = math.sqrt(float(judged.loss.mean()) / float((judged.outputs["expected_volatility"] ** 2).mean()))
    told = f"realised over expected volatility, root mean square: {ratio:.2f}; optimised risk is underestimated risk"
    return Claim("expected_volatility_honest", 0.8 <= ratio <= 1.25, f"{told}; 0.8 to 1.25 is wanted", ratio)


def figures(judged: Judged) -> list[Figure]:
    """Return the newest frontier, and what each method did under random limits."""
    newest = int(np.flatnonzero(judged.data.entities == FREE)[-1])
    return [
        Figure("Efficient frontier", _frontier(judged, newest)),
        Figure("By method", _methods(judged)),
    ]


def _frontier(judged: Judged, row: int) -> str:
    names = [str(name) for name in judged.data.inputs["security_id"][row] if name != ""]
    beliefs = estimate(judged.data.inputs["history"][row][:, : len(names)])

    def at(weights: FloatArray) -> tuple[float, float]:
        return volatility(weights, beliefs.covariance), YEAR * float(beliefs.mean @ weights)

    size = len(names)
    portfolios = {
        "chosen": at(judged.outputs["weight"][row][:size]),
        "current": at(judged.data.inputs["current_weight"][row][:size]),
        "1/N": at(np.full(size, 1 / size)),
    }
    assets = {name: at(single) for name, single in zip(names, np.eye(size), strict=True)}
    day = f.date(judged.data.times[row])
    return efficient_frontier(
        judged.outputs["frontier"][row],
        portfolios,
        assets,
        f"{size} securities on {day}, the last month of the backtest.",
    )


def _methods(judged: Judged) -> str:
    rows = []
    methods = np.array(judged.data.inputs["method"], dtype=str)
    free = judged.data.entities == FREE
    for name, mask in [("min_variance, no limits", free), *((m, ~free & (methods == m)) for m in METHODS)]:
        if not mask.any():
            continue
        ours, equal = judged.loss[mask].mean(), judged.baseline_losses["equal_weight"][mask].mean()
        cut = math.sqrt(ours / equal) - 1
        changed = f.percent(float(judged.outputs["turnover"][mask].mean()))
        rows.append((name, f.count(mask.sum()), f.percent(math.sqrt(ours)), f.percent(cut, signed=True), changed))
    header = ("method", "portfolios", "realised volatility", "against 1/N", "turnover from 1/N")
    return table("What each method did in the month after, under random limits", header, rows)


JUDGE = Judge(
    name="realised variance",
    loss=loss,
    baselines={
        "equal_weight": equal_weights,
        "inverse_volatility": inverse_volatility,
        "last_weights": last_weights,
    },
    claims=claims,
    figures=figures,
    unit="annual decimal squared",
)
