"""How the goal predictor is judged: Brier score against a closed form, and what its numbers promise."""

from __future__ import annotations

import math

import numpy as np

from components.data.dataset import Dataset
from components.evaluation.calibration import reliability
from components.evaluation.hypothesis_tests import bandwidth, newey_west_variance
from components.evaluation.judge import Claim, Figure, Judge, Judged
from components.evaluation.scoring import by_time
from components.finance.goals import MONTHS, FloatArray, lognormal_success, matched_success, plan_moments
from components.models.contract import Outputs
from components.models.portfolio.goal_achievement.charts import example_fan, reliability_chart
from components.models.portfolio.goal_achievement.params import Params
from components.models.portfolio.goal_achievement.simulation import Plan, Simulation, draw, share_at_least

MOST_ECE = 0.05
MOST_ERRORS = 4.0
"""Standard errors that a simulated probability may lie from its closed form."""
CHECKED_GOALS = 200
LEAST_P = 0.05
USUAL_VOLATILITY = 0.16
"""Of the market, decimal, where nobody in the history says one."""


def brier(outputs: Outputs, data: Dataset) -> FloatArray:
    """Return the squared distance of the probability from what happened."""
    loss: FloatArray = (outputs["achievement_probability"][:, 0] - data.targets["reached"][:, 0]) ** 2
    return loss


def closed_form(history: Dataset, test: Dataset) -> Outputs:
    """Take everyone at their word: the plan paid in full, at the stated return and volatility, in closed form."""
    target, current, months, _, sip, expected = test.inputs["goal"].T
    told = history.inputs["given"][:, 1] > 0
    usual = history.inputs["assumptions"][told, 1].mean() / 100 if told.any() else USUAL_VOLATILITY
    volatility = np.where(test.inputs["given"][:, 1] > 0, test.inputs["assumptions"][:, 1] / 100, usual)
    mean, variance = plan_moments(current, sip, expected / 100, volatility, months)
    return {"achievement_probability": matched_success(target, mean, variance)[:, None]}


def base_rate(history: Dataset, test: Dataset) -> Outputs:
    """Give everyone the share of goals that were reached before."""
    return {"achievement_probability": np.full((len(test), 1), history.targets["reached"].mean())}


def closed_form_errors(judged: Judged, most: int = CHECKED_GOALS) -> FloatArray:
    """Return how far the simulation lies from the closed form, in standard errors, for goals without contributions.

    The market of each row is the one that the model assumed; the payments are taken away and the target is moved so
    that chances between 2 % and 98 % are checked.
    """
    draws = draw(judged.params.get("seed", Params.seed), judged.params.get("paths", Params.paths))
    rows = np.linspace(0, len(judged.loss) - 1, min(most, len(judged.loss))).astype(int)
    errors = []
    for place, row in enumerate(rows):
        months = int(judged.data.inputs["goal"][row, 2])
        annual, volatility = judged.outputs["assumed"][row, :2] / 100
        growth, years = math.log1p(annual) - volatility**2 / 2, months / MONTHS
        edge = np.linspace(-2, 2, len(rows))[place] * volatility * math.sqrt(years)
        plan = Plan(1e5, 1e5 * math.exp(growth * years + edge), 0.0, np.ones(months), growth, float(volatility))
        simulation = Simulation(plan, draws)
        amounts = simulation.wealth()
        simulated = share_at_least(amounts, plan.target)
        exact = float(lognormal_success(plan.initial, plan.target, growth * years, volatility * math.sqrt(years)))
        errors.append((simulated - exact) / simulation.share_error(amounts))
    return np.array(errors)


def claims(judged: Judged) -> list[Claim]:
    """Return the tests of what the model promises."""
    return [_agrees(judged), _calibrated(judged), _unbiased(judged)]


def _agrees(judged: Judged) -> Claim:
    errors = np.abs(closed_form_errors(judged))
    worst = float(errors.max())
    return Claim(
        "closed_form_agreement",
        worst <= MOST_ERRORS,
        f"Without contributions the simulated probability is within {worst:.1f} standard errors of the closed form for "
        f"{len(errors)} goals; {MOST_ERRORS:g} are allowed.",
        worst,
    )


def _calibrated(judged: Judged) -> Claim:
    chance, reached = judged.outputs["achievement_probability"][:, 0], judged.data.targets["reached"][:, 0] > 0
    table = reliability(chance, reached)
    return Claim(
        "calibration",
        table["ece"] <= MOST_ECE,
        f"The expected calibration error is {table['ece']:.3f} on {len(chance)} goals ({MOST_ECE} is allowed): stated "
        f"{table['mean_probability']:.1%}, reached {table['frequency']:.1%}.",
        table["ece"],
    )


def _unbiased(judged: Judged) -> Claim:
    expected = judged.outputs["projections"][:, 0]
    error = by_time(judged.data.targets["amount"][:, 0] / np.maximum(expected, 1.0) - 1, judged.data.times)
    times = np.unique(judged.data.times)
    ahead = np.searchsorted(times, judged.data.label_times) - np.searchsorted(times, judged.data.times)
    lags = bandwidth(len(error), max(1, int(np.median(ahead))))
    deviation = math.sqrt(newey_west_variance(error, lags) / len(error))
    z = float(error.mean()) / deviation
    p = math.erfc(abs(z) / math.sqrt(2))
    return Claim(
        "expected_amount_unbiased",
        p >= LEAST_P,
        f"Final amounts were {error.mean():+.1%} off the expected ones on average (standard error {deviation:.1%} with "
        f"{lags} lags, p = {p:.2f}).",
        z,
        p,
    )


def figures(judged: Judged) -> list[Figure]:
    """Return the plots."""
    return [
        Figure("A goal, and what it came to", example_fan(judged)),
        Figure("Stated probability against frequency", reliability_chart(judged)),
    ]


JUDGE = Judge(
    name="Brier score",
    loss=brier,
    baselines={"closed_form": closed_form, "base_rate": base_rate},
    claims=claims,
    figures=figures,
)
