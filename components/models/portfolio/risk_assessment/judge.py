"""How a risk assessment is judged: by the next day's value at risk and expected shortfall, and the month's losses."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import numpy.typing as npt

from components.data.dataset import Dataset
from components.evaluation.hypothesis_tests import TestResult, newey_west_variance
from components.evaluation.judge import Claim, Figure, Judge, Judged
from components.evaluation.plots.loss_distribution import loss_distribution
from components.evaluation.plots.var_backtest import var_backtest
from components.evaluation.var_tests import (
    GREEN,
    acerbi_szekely,
    christoffersen,
    exceedances,
    kupiec,
    tick_loss,
    traffic_light,
)
from components.models.contract import FloatArray, Outputs
from components.models.portfolio.risk_assessment.baselines import fhs_garch, historical_simulation, normal_garch
from components.models.portfolio.risk_assessment.schemas import DAYS, OUTPUTS, QUANTILES

Array = npt.NDArray[Any]
LEVEL, SHORTFALL_LEVEL = 0.01, 0.025
ALPHA: Final = 0.05
COLUMN: Final = {name: i for i, name in enumerate(OUTPUTS["daily_risk"].column_names)}


def loss(outputs: Outputs, data: Dataset) -> FloatArray:
    """Return the tick loss of the next day's 99 % value at risk, percent."""
    return tick_loss(_daily(data), outputs["daily_risk"][:, COLUMN["var_99"]], LEVEL)


def claims(judged: Judged) -> list[Claim]:
    """Test frequency, independence and depth of exceedances, and the probabilities of loss."""
    returns, risk = _daily(judged.data), judged.outputs["daily_risk"]
    hits = exceedances(returns, risk[:, COLUMN["var_99"]])
    light = traffic_light(hits, LEVEL)
    shortfall = acerbi_szekely(returns, risk[:, COLUMN["var_975"]], risk[:, COLUMN["es_975"]], SHORTFALL_LEVEL, ALPHA)
    return [
        _claim("kupiec_99", kupiec(hits, LEVEL, ALPHA)),
        _claim("christoffersen_99", christoffersen(hits, LEVEL, ALPHA)),
        Claim("traffic_light", light.verdict.startswith(GREEN), light.verdict, light.statistic, light.p_value),
        _claim("acerbi_szekely_975", shortfall),
        _claim("loss_calibration_1_month", loss_calibration(judged)),
    ]


def loss_calibration(judged: Judged) -> TestResult:
    """Test whether losses over a month are as frequent as their probabilities say.

    The mean difference of outcome and probability against 0, with Newey-West variance: the months of
    neighbouring rows overlap.
    """
    from scipy.stats import norm

    lost = judged.data.targets["portfolio_return"][:, 1] < 0
    said = judged.outputs["probability_of_loss"][:, list(DAYS).index("1_month")]
    gap: FloatArray = lost - said
    data = judged.data
    overlap = int(np.max(np.searchsorted(data.times, data.label_times) - np.arange(len(gap))))
    error = np.sqrt(newey_west_variance(gap, overlap) / len(gap))
    statistic = float(gap.mean() / error)
    p_value = float(2 * norm.sf(abs(statistic)))
    verdict = (
        f"{lost.mean():.1%} of months lost, {said.mean():.1%} was said on average (p = {p_value:.2g}); "
        f"Brier score {np.mean((lost - said) ** 2):.4f}, {np.mean((lost - lost.mean()) ** 2):.4f} for the mean rate"
    )
    return TestResult(
        "calibration in the large", "losses are as frequent as said", statistic, p_value, len(gap), verdict
    )


def figures(judged: Judged) -> list[Figure]:
    """Draw the backtest, and the last portfolio's distribution with its scenarios."""
    returns, var = _daily(judged.data), judged.outputs["daily_risk"][:, COLUMN["var_99"]]
    last = {name: values[-1] for name, values in judged.outputs.items()}
    scenarios = [
        (column, float(value) / 100)
        for output in ("scenario_impact", "stress_test_results")
        for column, value in zip(OUTPUTS[output].column_names, last[output], strict=True)
    ]
    tail = [
        ("VaR 95 %", float(last["portfolio_var_95"][0]) / 100),
        ("CVaR 95 %", float(last["portfolio_cvar_95"][0]) / 100),
    ]
    return [
        Figure(
            "Value at risk, 99 %, one day",
            var_backtest(judged.data.times, returns / 100, var / 100, LEVEL, "A portfolio drawn anew every week"),
        ),
        Figure(
            "The last portfolio's month, and its scenarios",
            loss_distribution(QUANTILES, last["return_quantiles"] / 100, tail, scenarios),
        ),
    ]


def _daily(data: Dataset) -> FloatArray:
    """Return the next day's return of each row's portfolio, percent."""
    percent: FloatArray = 100 * data.targets["portfolio_return"][:, 0]
    return percent


def _claim(name: str, test: TestResult) -> Claim:
    passed = None if test.p_value is None else test.p_value >= ALPHA
    return Claim(name, passed, test.verdict, test.statistic, test.p_value)


JUDGE = Judge(
    name="tick loss of the 1 % value at risk",
    loss=loss,
    baselines={
        "fhs_garch": fhs_garch,
        "historical_simulation": historical_simulation,
        "normal_garch": normal_garch,
    },
    claims=claims,
    figures=figures,
    overlap=1,
    unit="percent",
)
