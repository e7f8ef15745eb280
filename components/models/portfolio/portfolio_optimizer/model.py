"""Portfolio optimiser: weights under constraints by skfolio, with what they cost and where their risk lies."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any, Self

import numpy as np

from components.data.dataset import Dataset
from components.models.contract import FloatArray, Outputs
from components.models.direct import DirectMember, DirectModel
from components.models.portfolio.portfolio_optimizer import measures
from components.models.portfolio.portfolio_optimizer.allocate import FALLBACKS, Allocation, allocate
from components.models.portfolio.portfolio_optimizer.confidence import Calibration, bootstrap_share
from components.models.portfolio.portfolio_optimizer.constraints import Constraints
from components.models.portfolio.portfolio_optimizer.estimate import Beliefs, estimate
from components.models.portfolio.portfolio_optimizer.feasible import check_feasible
from components.models.portfolio.portfolio_optimizer.frontier import efficient_frontier
from components.models.portfolio.portfolio_optimizer.outcome import realised_variance
from components.models.portfolio.portfolio_optimizer.params import YEAR, Params
from components.models.portfolio.portfolio_optimizer.question import Question, read_question
from components.models.portfolio.portfolio_optimizer.schemas import CONSTRAINTS, input_schema, output_schema
from components.models.portfolio.portfolio_optimizer.universe import Universe
from components.models.schema import Batch, Schema

COLUMNS = tuple(column.name for column in CONSTRAINTS)
NO_UNIVERSE = Universe((), np.empty((0, 0)), "")
PER_SECURITY = ("weight", "trade", "risk_contribution")
"""Outputs with one value per security, in the order of the output schema."""


class Optimiser(DirectMember):
    """Estimates from a year of returns and optimises; learns its universe, and how sure to be of a calmer month.

    Parameters
    ----------
    params : Params
    """

    def __init__(self, params: Params | None = None) -> None:
        self.params = params or Params()
        self.universe = NO_UNIVERSE
        self.calibration = Calibration()

    def fit(self, train: Dataset, validation: Dataset) -> Self:
        """Take the newest returns, and calibrate the confidence on validation rows."""
        self.universe = Universe.newest(validation)
        shares, calmer = [], []
        for row in range(len(validation)):
            question, beliefs, chosen = self._choose(validation.inputs, row)
            shares.append(bootstrap_share(beliefs.returns, chosen.weights))
            ahead = validation.targets["next_returns"][row][:, question.place]
            equal = np.full(len(question.place), 1 / len(question.place))
            calmer.append(realised_variance(chosen.weights, ahead) < realised_variance(equal, ahead))
        self.calibration = Calibration.fit(np.array(shares), np.array(calmer), self.params.calibration_penalty)
        return self

    def answer(self, inputs: Batch) -> Outputs:
        """Answer every row by itself: a portfolio of others' securities changes nothing."""
        width = inputs["security_id"].shape[1]
        rows = [self._answer(inputs, row, width) for row in range(len(inputs["security_id"]))]
        return {
            tensor.name: np.array([row[tensor.name] for row in rows]).astype(tensor.dtype)
            for tensor in output_schema().tensors
            if tensor.datatype != "BYTES"
        }

    def save(self, directory: Path) -> None:
        """Write the universe and the calibration."""
        self.universe.save(directory)
        facts = {"params": asdict(self.params), "calibration": asdict(self.calibration)}
        (directory / "optimiser.json").write_text(json.dumps(facts) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, directory: Path) -> Self:
        """Inverse of :meth:`save`."""
        facts = json.loads((directory / "optimiser.json").read_text(encoding="utf-8"))
        member = cls(Params(**facts["params"]))
        member.calibration = Calibration(**facts["calibration"])
        member.universe = Universe.load(directory)
        return member

    def _choose(self, inputs: Batch, row: int) -> tuple[Question, Beliefs, Allocation]:
        question = read_question(inputs, row, COLUMNS, self.universe)
        constraints = Constraints.of(question)
        check_feasible(question, constraints, row)
        beliefs = _believe(question)
        return question, beliefs, allocate(question, beliefs, constraints, row)

    def _answer(self, inputs: Batch, row: int, width: int) -> dict[str, Any]:
        question, beliefs, chosen = self._choose(inputs, row)
        weights, covariance = chosen.weights, beliefs.covariance
        change = measures.rebalancing(question, beliefs, weights)
        each = {
            "weight": weights,
            "trade": (weights - question.current) * question.limits["portfolio_value"],
            "risk_contribution": measures.risk_contributions(weights, covariance),
        }
        return {
            **{name: _padded(each[name], question, width) for name in PER_SECURITY},
            "expected_volatility": measures.volatility(weights, covariance),
            "expected_return": YEAR * float(beliefs.mean @ weights),
            "cvar_95": measures.cvar(beliefs.returns, weights),
            "turnover": change.turnover,
            "cost": change.cost,
            "diversification_ratio": measures.diversification_ratio(weights, covariance),
            "equal_weight_volatility": measures.volatility(np.full(len(weights), 1 / len(weights)), covariance),
            "current_volatility": change.current_volatility,
            "yearly_gain": change.yearly_gain,
            "rebalance": change.pays,
            "frontier": efficient_frontier(beliefs, Constraints.of(question)),
            "confidence": self.calibration(bootstrap_share(beliefs.returns, weights)),
            "fallback_step": chosen.step,
        }


class PortfolioOptimizer(DirectModel):
    """Weights that sum to one, nothing sold short, every limit met."""

    Params = Params
    Member = Optimiser

    @property
    def input_schema(self) -> Schema:
        """See :mod:`schemas`."""
        return input_schema()

    @property
    def output_schema(self) -> Schema:
        """See :mod:`schemas`."""
        return output_schema()

    def describe(self, outputs: Outputs, inputs: Batch) -> Outputs:
        """Name the step of the chain that answered, and the last day of the returns that were not sent along."""
        names = [FALLBACKS[int(step)] for step in outputs["fallback_step"]]
        member: Any = getattr(self, "member", None)
        until = member.universe.until if member and not inputs["history"].shape[2] else ""
        return {
            "fallback_used": np.array(names, dtype=object),
            "estimated_until": np.array([until] * len(names), dtype=object),
        }


def _believe(question: Question) -> Beliefs:
    beliefs = estimate(question.returns)
    if question.method != "black_litterman":
        return beliefs
    from components.models.portfolio.portfolio_optimizer.methods import black_litterman

    reference = measures.reference_weights(question.current)
    risk_aversion = question.limits["risk_aversion"]
    return black_litterman(beliefs, reference, question.views, question.confidences, risk_aversion)


def _padded(values: FloatArray, question: Question, width: int) -> FloatArray:
    out = np.zeros(width)
    out[question.place] = values
    return out
