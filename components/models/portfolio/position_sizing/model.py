"""Position sizing: the volatility target, Kelly's limit and the cash, and the levels at which to leave."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np

from components.data.dataset import Dataset
from components.models.contract import FloatArray, Outputs
from components.models.direct import DirectMember, DirectModel
from components.models.portfolio.position_sizing.book import Comovement, assumed_risk, book_risk
from components.models.portfolio.position_sizing.extremes import PathExtremes
from components.models.portfolio.position_sizing.forecast import VarianceForecast
from components.models.portfolio.position_sizing.questions import Questions, read_questions
from components.models.portfolio.position_sizing.schemas import input_schema, output_schema
from components.models.portfolio.position_sizing.sizing import (
    joint_volatility,
    kelly_fraction,
    kelly_position,
    volatility_position,
)
from components.models.portfolio.position_sizing.table import SecurityTable
from components.models.portfolio.position_sizing.trust import Trust
from components.models.schema import Batch, Schema

LIMITS = ("volatility", "kelly", "cash")


@dataclass(frozen=True)
class Params:
    """Hyper-parameters.

    Attributes
    ----------
    stop : float
        Share of simulated paths that fall to the stop loss within a month.
    take : float
        Share that rises to the take profit.
    paths : int
        Months of the past that levels are simulated from.
    seed : int
        Of the draw of those months.
    """

    stop: float = 0.1
    take: float = 0.25
    paths: int = 1000
    seed: int = 7


class Sizer(DirectMember):
    """Statistics of the universe, forecasts of volatility and correlation, and the paths that levels come from."""

    def __init__(self, params: Params) -> None:
        self.params = params
        self.table: SecurityTable
        self.variance: VarianceForecast
        self.comovement: Comovement
        self.trust: Trust
        self.extremes: PathExtremes

    def fit(self, train: Dataset, validation: Dataset) -> Self:
        """Fit forecasts on the training rows; the table of securities knows the validation rows' outcomes too.

        The table is a description of the newest past, not a fit that could be overdone; without the validation rows it
        would be stale from the first day.
        """
        from components.models.portfolio.position_sizing.learning import learn

        learned = learn(train, validation, self.params.paths, self.params.seed)
        self.table, self.variance, self.comovement, self.trust, self.extremes = learned
        return self

    def answer(self, inputs: Batch) -> Outputs:
        """Return every number of the output schema."""
        asked = read_questions(inputs, self.table)
        volatility, book, correlation = self.risks(asked)
        expected = self.expected(asked)
        fraction = kelly_fraction(expected, self.table.edge.error[asked.place])
        target = np.where(asked.account["target_volatility"] > 0, asked.account["target_volatility"], self.table.market)
        sized = volatility_position(target, volatility, book, correlation)
        kelly = fraction * kelly_position(expected, volatility, book, correlation)
        cash = asked.cash_share + asked.own
        position = np.minimum(np.minimum(sized, kelly), cash)
        alone = volatility_position(target, volatility, book, 0 * correlation)
        risk = joint_volatility(position, volatility, book, correlation)
        stop, take, drawdown = self.extremes.levels(volatility, expected, self.params.stop, self.params.take)
        return {
            "recommended_position": 100 * position,
            "stop_loss": 100 * stop,
            "take_profit": 100 * take,
            "max_drawdown": 100 * drawdown,
            "volatility_adjustment": self.table.long_run[asked.place] / volatility,
            "correlation_risk": correlation,
            "confidence": self.trust.confidence(
                asked.symbol_recent, self.table.long_run[asked.place], asked.account["vix"]
            ),
            "expected_risk": 100 * risk,
            "volatility_forecast": 100 * volatility,
            "expected_return": 100 * expected,
            "volatility_position": 100 * sized,
            "kelly_position": 100 * kelly,
            "kelly_fraction": fraction,
            "cash_limit": 100 * cash,
            "correlation_penalty": 1 - np.divide(sized, alone, out=np.ones_like(sized), where=alone > 0),
        }

    def risks(self, asked: Questions) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Return forecast volatility of the security and of the book, and their correlation, each of shape (rows,)."""
        vix, table = asked.account["vix"], self.table
        volatility = self.variance.volatility(asked.symbol_recent, table.long_run[asked.place], vix)
        each = self.variance.volatility(asked.recent, table.long_run, vix[:, None])
        shift = self.comovement.shift(vix)
        listed = book_risk(asked.weight * each, table.correlation, asked.place, shift)
        means = (table.mean_correlation[asked.place], float(table.mean_correlation.mean()))
        invested = np.maximum(1 - asked.cash_share, 0.0)
        assumed = assumed_risk(invested, asked.account["positions"], np.median(each, axis=1), means, shift)
        book, correlation = (np.where(asked.listed, a, b) for a, b in zip(listed, assumed, strict=True))
        return volatility, book, correlation

    def expected(self, asked: Questions) -> FloatArray:
        """Return the expected return of the security, annualised decimal, shape (rows,)."""
        account = asked.account
        return self.table.edge.expected(asked.place, account["market_trend"], account["sector_rotation"])

    def save(self, directory: Path) -> None:
        """Write ``sizing.json``."""
        facts = {
            "params": vars(self.params),
            "table": self.table.to_dict(),
            "variance": self.variance.to_dict(),
            "comovement": self.comovement.to_dict(),
            "trust": self.trust.to_dict(),
            "paths": self.extremes.paths.tolist(),
        }
        (directory / "sizing.json").write_text(json.dumps(facts) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, directory: Path) -> Self:
        """Inverse of :meth:`save`."""
        facts: dict[str, Any] = json.loads((directory / "sizing.json").read_text(encoding="utf-8"))
        sizer = cls(Params(**facts["params"]))
        sizer.table = SecurityTable.from_dict(facts["table"])
        sizer.variance = VarianceForecast.from_dict(facts["variance"])
        sizer.comovement = Comovement.from_dict(facts["comovement"])
        sizer.trust = Trust.from_dict(facts["trust"])
        sizer.extremes = PathExtremes(np.array(facts["paths"]))
        return sizer


class PositionSizing(DirectModel):
    """How much of a portfolio to put into one security, and where to leave."""

    Params = Params
    Member = Sizer  # type: ignore[assignment]

    @property
    def input_schema(self) -> Schema:
        """Account, security and holdings."""
        return input_schema()

    @property
    def output_schema(self) -> Schema:
        """Position and levels."""
        return output_schema()

    def blend_target(self, data: Dataset) -> FloatArray:
        """The security's realised volatility."""
        return data.targets["realised_volatility"]

    def describe(self, outputs: Outputs, inputs: Batch) -> Outputs:
        """Say which limit sets the position."""
        limits = np.stack([outputs[f"{n}_position" if n != "cash" else "cash_limit"] for n in LIMITS], axis=1)
        return {"binding": np.array(LIMITS, dtype=object)[limits.argmin(axis=1)]}
