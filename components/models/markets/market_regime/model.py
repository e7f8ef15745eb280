"""Market regime: a hidden Markov model's filtered states and slow trends, linked to dated bull and bear markets."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np

from components.data.dataset import Dataset
from components.models.contract import FloatArray, Outputs
from components.models.direct import DirectMember, DirectModel
from components.models.markets.market_regime.course import (
    RegimeCourse,
    characterise,
    count_spells,
    count_transitions,
)
from components.models.markets.market_regime.dating import REGIMES
from components.models.markets.market_regime.hidden import HiddenStates
from components.models.markets.market_regime.link import RegimeLink, fit_link, fit_temperature
from components.models.markets.market_regime.observations import WEEK, trends, weekly
from components.models.markets.market_regime.schemas import input_schema, output_schema
from components.models.schema import Batch, Schema


@dataclass(frozen=True)
class Params:
    """Hyper-parameters.

    Attributes
    ----------
    states : int
        Hidden states.
    starts : int
        Seeded restarts of expectation maximisation.
    stickiness : float
        Pseudo-count of staying in a hidden state; every week is counted five times, once per day that it may end on.
    slope_prior, temperature_prior : float
        Standard deviations of the normal priors on the link's slopes and on the log of its temperature.
    ahead : int
        Bars ahead of the stated transition: a month.
    seed : int
        Of the first start.
    """

    states: int = 3
    starts: int = 3
    stickiness: float = 250.0
    slope_prior: float = 0.5
    temperature_prior: float = 0.25
    ahead: int = 21
    seed: int = 7


class RegimeMember(DirectMember):
    """The hidden states, their link to the dated regimes, and the regimes' course."""

    def __init__(self, params: Params) -> None:
        self.params = params
        self.hidden: HiddenStates
        self.link: RegimeLink
        self.course: RegimeCourse

    def fit(self, train: Dataset, validation: Dataset) -> Self:
        """Learn states, link and course from the training rows; validation rows set the link's temperature."""
        from components.models.markets.market_regime.learning import learn_states

        p = self.params
        regime = train.targets["regime"].argmax(axis=1)
        spells = count_spells(regime, train.entities)
        self.hidden = learn_states(weekly_sequences(train), p.states, p.starts, p.stickiness, p.seed)
        link = fit_link(self.evidence(train.inputs)[1], regime, spells, p.slope_prior)
        scores, held = link.scores(self.evidence(validation.inputs)[1]), validation.targets["regime"].argmax(axis=1)
        warmth = fit_temperature(scores, held, count_spells(held, validation.entities), p.temperature_prior)
        self.link = RegimeLink(link.centre, link.scale, link.slope, link.intercept, warmth)
        stated = self.link.probabilities(self.evidence(train.inputs)[1])
        self.course = RegimeCourse(
            count_transitions(regime, train.entities), *characterise(stated, train.targets["next_return"][:, 0])
        )
        return self

    def evidence(self, inputs: Batch) -> tuple[FloatArray, FloatArray]:
        """Return the filtered states, shape (rows, states), and what the link takes."""
        states = self.hidden.filter(weekly(inputs["window"]))
        return states, np.column_stack([states[:, 1:], trends(inputs["features"], inputs["window"])])

    def answer(self, inputs: Batch) -> Outputs:
        """Return every number of the output schema."""
        states, evidence = self.evidence(inputs)
        chances = self.link.probabilities(evidence)
        named = chances.argmax(axis=1)
        course = self.course
        stays = np.diag(course.transition) ** self.params.ahead
        mean = np.einsum("ij,j->i", chances, course.expected_return)
        return {
            "probabilities": chances,
            "confidence": chances.max(axis=1),
            "expected_duration": course.duration[named],
            "switch_probability": 1 - np.einsum("ij,j->i", chances, stays),
            "transition": np.einsum("ij,jk->ik", chances, course.ahead(self.params.ahead)),
            "volatility": np.sqrt(np.einsum("ij,j->i", chances, course.volatility**2)),
            "expected_return": mean,
            "regime_volatility": np.tile(course.volatility, (len(chances), 1)),
            "regime_return": np.tile(course.expected_return, (len(chances), 1)),
            "states": states,
        }

    def save(self, directory: Path) -> None:
        """Write ``regime.json``."""
        facts = {
            "params": vars(self.params),
            "hidden": self.hidden.to_dict(),
            "link": self.link.to_dict(),
            "course": self.course.to_dict(),
        }
        (directory / "regime.json").write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, directory: Path) -> Self:
        """Inverse of :meth:`save`."""
        facts = json.loads((directory / "regime.json").read_text(encoding="utf-8"))
        member = cls(Params(**facts["params"]))
        member.hidden = HiddenStates.from_dict(facts["hidden"])
        member.link = RegimeLink.from_dict(facts["link"])
        member.course = RegimeCourse.from_dict(facts["course"])
        return member


class MarketRegime(DirectModel):
    """Bull, sideways or bear: the probability of each, and how the market moves in it."""

    Params = Params
    Member = RegimeMember  # type: ignore[assignment]

    @property
    def input_schema(self) -> Schema:
        """Features and window."""
        return input_schema()

    @property
    def output_schema(self) -> Schema:
        """Probabilities, and what follows from them."""
        return output_schema(self.params.states, self.params.ahead)

    def adopt(self, directories: Mapping[str, Path]) -> Self:
        """Read the candidate back; its hyper-parameters are the model's."""
        super().adopt(directories)
        member: Any = self.member
        self.params = member.params
        return self

    def blend_target(self, data: Dataset) -> FloatArray:
        """The dated regime."""
        return data.targets["regime"]

    def describe(self, outputs: Outputs, inputs: Batch) -> Outputs:
        """Name the likeliest regime."""
        return {"regime": np.array(REGIMES, dtype=object)[outputs["probabilities"].argmax(axis=1)]}


def weekly_sequences(data: Dataset) -> list[FloatArray]:
    """Return weekly observations in time order, five interleaved sequences for each entity: one per day of the week.

    Parameters
    ----------
    data : Dataset
        Daily rows in time order.
    """
    newest = weekly(data.inputs["window"])[:, -1]
    names = data.entities.astype(str)
    sequences = [newest[names == name][day::WEEK] for name in np.unique(names) for day in range(WEEK)]
    return [sequence for sequence in sequences if len(sequence)]
