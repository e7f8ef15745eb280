"""The model's only candidate: policies, what they know of the market, and how often they were right."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any, Self

import numpy as np

from components.data.dataset import Dataset
from components.finance.arrays import load_arrays, save_arrays
from components.models.contract import FloatArray, Outputs
from components.models.direct import DirectMember
from components.models.portfolio.auto_invest.confidence import Confidence
from components.models.portfolio.auto_invest.decision import Action, Decision, decide
from components.models.portfolio.auto_invest.outlook import Outlook
from components.models.portfolio.auto_invest.params import Params
from components.models.portfolio.auto_invest.policy import Policy
from components.models.portfolio.auto_invest.question import Known, Question, read
from components.models.portfolio.auto_invest.tilts import act, observe
from components.models.schema import Batch

POLICY, KNOWN, RETURNS = "policy.json", "known.json", "returns.safetensors"


class Investor(DirectMember):
    """An ensemble of policies over tilts, trained with PPO on the training days alone."""

    def __init__(self, params: Params) -> None:
        self.params = params
        self.policy: Policy
        self.known: Known
        self.outlook: Outlook
        self.confidence = Confidence()

    def fit(self, train: Dataset, validation: Dataset) -> Self:
        """Train the policies on ``train``, calibrate the confidence on ``validation``, then know both."""
        from components.models.portfolio.auto_invest.data import recover
        from components.models.portfolio.auto_invest.training import train_policy

        history = recover(train)
        self.policy = train_policy(history, self.params)
        self._know(history)
        self.confidence = self._calibrate(validation)
        self._know(recover(_together(train, validation)))
        return self

    def _know(self, history: Any) -> None:
        self.known = Known(history.names, history.sectors, history.traits[-1], history.market[-1])
        self.outlook = Outlook(history.returns[-self.params.history_days :], self.params)

    def _calibrate(self, validation: Dataset) -> Confidence:
        """Compare the chances of validation rows with what came; the outlook knows training days only."""
        chances, outcomes = [], []
        for row in range(len(validation)):
            question = read(validation.inputs, row, self.known, self.params)
            ours, neutral = self._decide(question)
            chances.append(self._chance(question, ours, neutral))
            growth = np.prod(1 + validation.targets["daily_return"][row][:, question.slot], axis=0) - 1
            gained = float((ours.weights - neutral.weights) @ growth) - (ours.cost - neutral.cost)
            outcomes.append(gained >= -1e-12)
        return Confidence.fit(np.array(chances), np.array(outcomes, dtype=np.float64))

    def answer(self, inputs: Batch) -> Outputs:
        """Return the numbers of every row, in the order of the schema."""
        rows = len(inputs["strategy"])
        width = inputs["security_id"].shape[1] or len(self.known.names)
        made: dict[str, Any] = {
            "allocation": np.zeros((rows, width)),
            "contribution": np.zeros((rows, width)),
            "performance": np.zeros((rows, 4)),
            "trade": np.zeros((rows, 6)),
            "confidence": np.zeros((rows, 1)),
        }
        for row in range(rows):
            question = read(inputs, row, self.known, self.params)
            decision, neutral = self._decide(question)
            weights = decision.weights
            made["allocation"][row, question.slot] = weights
            made["contribution"][row, question.slot] = self.outlook.contributions(question.place, weights)
            made["performance"][row] = self.outlook.performance(question.place, weights)
            made["trade"][row] = self._trade(question, decision)
            made["confidence"][row] = self.confidence(self._chance(question, decision, neutral))
        return made

    def _decide(self, question: Question) -> tuple[Decision, Decision]:
        """Return the policies' decision, and that of equal shares within the same limits."""
        action = act(self.params, self.policy(observe(question.state)), question.state.scores)
        neutral = Action.neutral(len(question.place))
        return decide(self.params, action, question.situation), decide(self.params, neutral, question.situation)

    def _chance(self, question: Question, ours: Decision, neutral: Decision) -> float:
        return self.outlook.chance(question.place, ours.weights, neutral.weights, ours.cost - neutral.cost)

    def _trade(self, question: Question, decision: Decision) -> FloatArray:
        rebalanced, cost = float(decision.rebalanced), decision.cost * question.value
        interval = float(self.params.step_days)
        return np.array([rebalanced, decision.turnover, cost, decision.cash, decision.stop_loss, interval])

    def save(self, directory: Path) -> None:
        """Write the networks and the knowledge as JSON, the returns as safetensors."""
        self.policy.write(directory / POLICY)
        told = {
            "params": asdict(self.params),
            "names": self.known.names,
            "sectors": self.known.sectors,
            "traits": self.known.traits.tolist(),
            "market": self.known.market.tolist(),
            "confidence": asdict(self.confidence),
        }
        (directory / KNOWN).write_text(json.dumps(told), encoding="utf-8")
        save_arrays(directory / RETURNS, {"returns": self.outlook.returns})

    @classmethod
    def load(cls, directory: Path) -> Self:
        """Inverse of :meth:`save`."""
        told = json.loads((directory / KNOWN).read_text(encoding="utf-8"))
        params = Params.from_json(told["params"])
        made = cls(params)
        made.policy = Policy.read(directory / POLICY)
        names, sectors = tuple(told["names"]), tuple(told["sectors"])
        made.known = Known(names, sectors, np.array(told["traits"]), np.array(told["market"]))
        made.outlook = Outlook(np.asarray(load_arrays(directory / RETURNS)["returns"], dtype=np.float64), params)
        made.confidence = Confidence(**told["confidence"])
        return made


def _together(train: Dataset, validation: Dataset) -> Dataset:
    def joined(name: str) -> Any:
        one, other = getattr(train, name), getattr(validation, name)
        if isinstance(one, dict):
            return {key: np.concatenate([one[key], other[key]]) for key in one}
        return np.concatenate([one, other])

    return Dataset(**{name: joined(name) for name in ("inputs", "targets", "times", "label_times", "entities")})
