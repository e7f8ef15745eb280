"""Risk assessment: filtered historical simulation on GJR-GARCH, with a market factor, for one portfolio at a time."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from components.data.dataset import Dataset
from components.finance.paths import draw_days
from components.models.contract import Outputs
from components.models.direct import DirectMember, DirectModel
from components.models.portfolio.risk_assessment.assess import assess
from components.models.portfolio.risk_assessment.holdings import read_holdings
from components.models.portfolio.risk_assessment.owner import category, recovery_words
from components.models.portfolio.risk_assessment.params import Params
from components.models.portfolio.risk_assessment.portfolio_risk import Conditions
from components.models.portfolio.risk_assessment.schemas import DAYS, INPUTS, OUTPUTS, SCENARIOS
from components.models.portfolio.risk_assessment.universe import Universe
from components.models.schema import Batch, Schema


class Assessor(DirectMember):
    """The learnt universe and the days that are drawn from it."""

    universe: Universe
    draws: npt.NDArray[Any]

    def __init__(self, params: Params) -> None:
        self.params = params

    def fit(self, train: Dataset, validation: Dataset) -> Self:
        """Learn the universe."""
        from components.models.portfolio.risk_assessment.learning import learn

        return self._adopt(learn(train, validation, self.params))

    def answer(self, inputs: Batch) -> Outputs:
        """Assess every row alone.

        Raises
        ------
        InvalidRequest
            For holdings or a correlation matrix that cannot be assessed.
        """
        rows, length = inputs["security_id"].shape
        numeric = [t for t in OUTPUTS.tensors if t.datatype != "BYTES"]
        out = {t.name: np.zeros((rows, *(length if n == -1 else n for n in t.shape))) for t in numeric}
        for row in range(rows):
            held = read_holdings(inputs, row, self.universe.column)
            conditions = Conditions(*map(float, inputs["conditions"][row]))
            told = assess(self.universe, held, conditions, inputs["profile"][row], self.draws, self.params)
            for name, values in told.items():
                out[name][row, held.slots if name == "component_var" else slice(None)] = values
        return out

    def save(self, directory: Path) -> None:
        """Write the universe and the hyper-parameters."""
        self.universe.save(directory)
        (directory / "params.json").write_text(json.dumps(asdict(self.params)) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, directory: Path) -> Self:
        """Inverse of :meth:`save`."""
        params = Params(**json.loads((directory / "params.json").read_text(encoding="utf-8")))
        return cls(params)._adopt(Universe.load(directory))

    def _adopt(self, universe: Universe) -> Self:
        self.universe = universe
        # The same days for every request: what differs between two answers is the portfolios' doing, not chance's.
        drawn = draw_days(len(universe.residuals), DAYS["1_year"], self.params.paths, self.params.seed)
        # Looking up by native integers is half as fast again as by short ones, which numpy widens each time.
        self.draws = drawn.astype(np.intp)
        return self


class RiskAssessment(DirectModel):
    """Value at risk, drawdowns, probabilities of loss, scenarios and stress tests of a portfolio."""

    Params = Params
    Member = Assessor  # type: ignore[assignment]

    @property
    def input_schema(self) -> Schema:
        """Holdings, conditions, profile."""
        return INPUTS

    @property
    def output_schema(self) -> Schema:
        """Figures in percent unless their unit says otherwise; losses negative."""
        return OUTPUTS

    def describe(self, outputs: Outputs, inputs: Batch) -> Outputs:
        """Say the score and the recovery times in words."""
        spans = outputs["scenario_recovery"].reshape(-1, len(SCENARIOS), 2)
        words = [[recovery_words(*map(float, span)) for span in row] for row in spans]
        return {
            "risk_category": np.array([[category(float(s))] for s in outputs["risk_score"][:, 0]], dtype=object),
            "recovery_time_estimate": np.array(words, dtype=object).reshape(-1, len(SCENARIOS)),
        }
