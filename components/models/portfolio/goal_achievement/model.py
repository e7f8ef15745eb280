"""The goal predictor: Prophet for when people pay, XGBoost for how much of it, Monte Carlo for what markets make of it.

Serving imports numpy and ONNX Runtime only.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np

from components.data.dataset import Dataset
from components.errors import InvalidRequest
from components.finance.goals import FloatArray
from components.models.contract import Outputs
from components.models.direct import DirectMember, DirectModel
from components.models.portfolio.goal_achievement import words
from components.models.portfolio.goal_achievement.answer import answer_goal, success
from components.models.portfolio.goal_achievement.behaviour import Behaviour, behaviour_features, typical_payment
from components.models.portfolio.goal_achievement.beliefs import Beliefs
from components.models.portfolio.goal_achievement.calibration import calibration_error
from components.models.portfolio.goal_achievement.contributions import Calendar
from components.models.portfolio.goal_achievement.params import Params as GoalParams
from components.models.portfolio.goal_achievement.schemas import input_schema, output_schema
from components.models.portfolio.goal_achievement.simulation import Plan, draw
from components.models.schema import Batch, Schema


class GoalMember(DirectMember):
    """Beliefs about the market, the population's calendar, and the trees of behaviour.

    Attributes
    ----------
    calibration_error : float
        Root mean square distance of stated probabilities from frequencies on the validation rows, beyond chance; part
        of every answer's confidence.
    """

    def __init__(self, params: GoalParams | None = None) -> None:
        self.params = params or GoalParams()
        self.beliefs = Beliefs()
        self.calendar = Calendar()
        self.behaviour: Behaviour | None = None
        self.calibration_error = 0.0

    def fit(self, train: Dataset, validation: Dataset) -> Self:
        """Learn from ``train``; ``validation`` tells how well calibrated the probabilities are."""
        from components.models.portfolio.goal_achievement.behaviour import Trees, fit_behaviour
        from components.models.portfolio.goal_achievement.beliefs import fit_beliefs
        from components.models.portfolio.goal_achievement.contributions import fit_calendar

        p = self.params
        self.beliefs = fit_beliefs(train, p.memory)
        self.calendar = fit_calendar(train)
        x = behaviour_features(train.inputs, self.beliefs.expected_inflation(train.inputs))
        trees = Trees(p.rounds, p.depth, p.rate, p.seed)
        self.behaviour = fit_behaviour(x, train.targets["contribution_ratio"][:, 0], trees)
        chance = np.array([success(plan, draw(p.seed, p.paths)) for plan in self.plans(validation.inputs)])
        self.calibration_error = calibration_error(chance, validation.targets["reached"][:, 0] > 0)
        return self

    def plans(self, inputs: Batch) -> list[Plan]:
        """Return what is simulated for each row.

        Raises
        ------
        InvalidRequest
            If a contribution is negative, or a return is below -100 %.
        """
        _check(inputs)
        if self.behaviour is None:
            raise RuntimeError("fit or load the goal predictor before asking it")
        volatility = self.beliefs.volatility(inputs)
        growth = self.beliefs.log_growth(inputs, volatility)
        x = behaviour_features(inputs, self.beliefs.expected_inflation(inputs))
        return [self._plan(goal, x[i : i + 1], growth[i], volatility[i]) for i, goal in enumerate(inputs["goal"])]

    def answer(self, inputs: Batch) -> Outputs:
        """Return the numbers of every row; each is computed alone."""
        plans, inflation = self.plans(inputs), self.beliefs.expected_inflation(inputs)
        draws = draw(self.params.seed, self.params.paths)
        rows = [
            answer_goal(plan, draws, int(goal[3]), rate, self.calibration_error)
            for plan, goal, rate in zip(plans, inputs["goal"], inflation, strict=True)
        ]
        names = [t.name for t in output_schema().tensors if t.datatype != "BYTES"]
        return {name: np.stack([row[name] for row in rows]) for name in names}

    def save(self, directory: Path) -> None:
        """Write ``behaviour.*`` and ``member.json``."""
        assert self.behaviour is not None, "fit before save"
        self.behaviour.save(directory)
        facts: dict[str, Any] = {
            "params": asdict(self.params),
            "beliefs": self.beliefs.to_dict(),
            "calendar": asdict(self.calendar),
            "calibration_error": self.calibration_error,
        }
        (directory / "member.json").write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, directory: Path) -> Self:
        """Inverse of :meth:`save`."""
        facts = json.loads((directory / "member.json").read_text(encoding="utf-8"))
        member = cls(GoalParams(**facts["params"]))
        member.beliefs = Beliefs.from_dict(facts["beliefs"])
        member.calendar = Calendar(tuple(facts["calendar"]["season"]), facts["calendar"]["growth"])
        member.calibration_error = facts["calibration_error"]
        member.behaviour = Behaviour.load(directory)
        draw(member.params.seed, member.params.paths)
        return member

    def _plan(self, goal: FloatArray, x: FloatArray, growth: float, volatility: float) -> Plan:
        assert self.behaviour is not None
        # Row by row: a path's success flips with the last digit, and a graph's sums depend on the size of its batch.
        ratio, spread = self.behaviour.predict(x)
        target, initial, months, month, sip, _ = goal
        return Plan(
            initial=float(initial),
            target=float(target),
            sip=float(sip),
            shape=self.calendar.shape(int(month), int(months)),
            log_growth=float(growth),
            volatility=float(volatility),
            drift_sd=self.beliefs.drift_sd,
            memory=self.beliefs.memory,
            ratio=ratio,
            spread=spread,
            residuals=self.behaviour.quantiles,
            least=self.behaviour.least,
        )


class GoalAchievement(DirectModel):
    """Probability of reaching a savings goal, what would lift it to 95 %, and the milestones on the way."""

    Params: ClassVar[type] = GoalParams
    Member = GoalMember

    @property
    def input_schema(self) -> Schema:
        """A goal, what was paid and earned before, and assumptions."""
        return input_schema()

    @property
    def output_schema(self) -> Schema:
        """Probability, projections, adjustments, milestones, and words."""
        return output_schema()

    def describe(self, outputs: Outputs, inputs: Batch) -> Outputs:
        """Return level of confidence and recommendations."""
        level = [[words.confidence_level(float(value))] for value in outputs["confidence"][:, 0]]
        told = [words.pad(words.recommend(row)) for row in _told(outputs, inputs)]
        return {"confidence_level": words.table(level), "recommendations": words.table(told)}


def _told(outputs: Outputs, inputs: Batch) -> list[dict[str, float]]:
    named = {}
    for tensor in ("adjustments", "assumed"):
        for place, column in enumerate(output_schema()[tensor].column_names):
            named[column] = outputs[tensor][:, place]
    named["probability"] = outputs["achievement_probability"][:, 0]
    named["monthly_sip"] = inputs["goal"][:, 4]
    named["typical_payment"] = typical_payment(inputs)
    return [{name: float(values[i]) for name, values in named.items()} for i in range(len(inputs["goal"]))]


def _check(inputs: Batch) -> None:
    for name, least, remedy in (
        ("contributions", 0.0, "A month without a contribution is 0; withdrawals are not contributions."),
        ("portfolio_returns", -100.0, "Give returns in percent a month."),
    ):
        below = np.argwhere(inputs[name] < least)
        if len(below):
            row, month = (int(i) for i in below[0])
            value = inputs[name][row, month]
            raise InvalidRequest(f"value {value:g} is below {least:g}.", remedy, path=f"{name}[{row}][{month}]")
