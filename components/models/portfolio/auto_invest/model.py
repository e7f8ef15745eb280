"""Auto-invest: what to hold next, decided by policies that were trained with proximal policy optimisation."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np

from components.models.contract import Outputs
from components.models.direct import DirectModel
from components.models.portfolio.auto_invest.member import Investor
from components.models.portfolio.auto_invest.params import Params
from components.models.portfolio.auto_invest.schemas import INPUTS, OUTPUTS
from components.models.schema import Batch, Schema
from components.models.single import LoadableCandidate


class AutoInvest(DirectModel):
    """Shares of every security after the next trades, what they may earn, and what trading costs."""

    Params = Params
    Member: ClassVar[Callable[[Any], LoadableCandidate]] = Investor
    member: Investor

    @property
    def input_schema(self) -> Schema:
        """One strategy a row; its securities may be left out."""
        return INPUTS

    @property
    def output_schema(self) -> Schema:
        """Shares and contributions by security, performance, trades, confidence."""
        return OUTPUTS

    def describe(self, outputs: Outputs, inputs: Batch) -> Outputs:
        """Say whose shares they are."""
        if inputs["security_id"].shape[1]:
            return {"security": inputs["security_id"].astype(object)}
        names = np.array(self.member.known.names, dtype=object)
        return {"security": np.broadcast_to(names, (len(inputs["strategy"]), len(names))).copy()}
