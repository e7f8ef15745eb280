"""How position sizing is judged: the risk that a position turned out to have, against the risk that was asked for."""

from __future__ import annotations

from typing import Final

import numpy as np

from components.data.dataset import Dataset
from components.evaluation.judge import Figure, Judge, Judged
from components.models.contract import FloatArray, Outputs
from components.models.portfolio.position_sizing.book import book_risk
from components.models.portfolio.position_sizing.claims import claims, portfolio_risk, target_risk
from components.models.portfolio.position_sizing.figure import risk_course
from components.models.portfolio.position_sizing.questions import Questions, read_questions
from components.models.portfolio.position_sizing.sizing import volatility_position
from components.models.portfolio.position_sizing.table import SecurityTable, learn_table

LEAST: Final = 0.05
"""Smallest share of the asked risk that is told apart: a portfolio without any risk has no logarithm."""


def squared_log_ratio(outputs: Outputs, data: Dataset) -> FloatArray:
    """Return the squared log of realised over wanted volatility, shape (rows,): too much and too little alike.

    Where Kelly's limit or the cash keeps the position small, the wanted risk is what the answer then states; a
    portfolio that states no risk and has none loses nothing.
    """
    came, wanted = portfolio_risk(outputs["recommended_position"] / 100, data), target_risk(data)
    if "expected_risk" in outputs:
        wanted = np.minimum(wanted, outputs["expected_risk"] / 100)
    least = LEAST * target_risk(data)
    loss: FloatArray = np.log(np.maximum(came, least) / np.maximum(wanted, least)) ** 2
    return loss


def unscaled_volatility(history: Dataset, test: Dataset) -> Outputs:
    """The same closed form on long-run volatilities and correlations: nothing of how the market moves now."""
    table = learn_table(history)
    asked = read_questions(test.inputs, table)
    book, correlation = _long_run_book(asked, table)
    sized = volatility_position(target_risk(test), table.long_run[asked.place], book, correlation)
    return {"recommended_position": 100 * np.minimum(sized, asked.cash_share)}


def _long_run_book(asked: Questions, table: SecurityTable) -> tuple[FloatArray, FloatArray]:
    return book_risk(asked.weight * table.long_run, table.correlation, asked.place, np.zeros(len(asked.place)))


def fixed_fraction(history: Dataset, test: Dataset) -> Outputs:
    """1/N: an equal share for the new position and each held one, as far as the cash goes."""
    asked = read_questions(test.inputs, learn_table(history))
    share = 1 / (1 + asked.account["positions"])
    return {"recommended_position": 100 * np.minimum(share, asked.cash_share)}


def figures(judged: Judged) -> list[Figure]:
    """Return how realised risk followed the target."""
    return [Figure("Realised risk over the target", risk_course(judged))]


JUDGE = Judge(
    name="squared log ratio of realised to wanted risk",
    loss=squared_log_ratio,
    baselines={"unscaled_volatility": unscaled_volatility, "fixed_fraction": fixed_fraction},
    claims=claims,
    figures=figures,
    overlap=1,
    unit="squared log",
)
