"""What a tuning run found: every trial, the best, the default's score, and what is left of the gain without luck."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from components.errors import ConfigurationError
from components.evaluation.result import finite
from components.tuning.deflation import Deflation, deflate


@dataclass(frozen=True)
class Trial:
    """One scored or failed trial.

    Attributes
    ----------
    number : int
        In the order of the search, from 1.
    params : dict
        What was searched, typed.
    score : float or None
        Loss relative to the baseline's, lower is better; None when the trial failed.
    blocks : tuple of float
        The loss by block of time; empty when the trial failed.
    seconds : float
        It took, where that is known.
    problem : str
        Why it failed; empty when it did not.
    """

    number: int
    params: Mapping[str, Any]
    score: float | None
    blocks: tuple[float, ...] = ()
    seconds: float = 0.0
    problem: str = ""

    @classmethod
    def from_dict(cls, raw: Mapping[str, Any]) -> Trial:
        """Inverse of ``dataclasses.asdict``."""
        return cls(**{**raw, "blocks": tuple(raw["blocks"])})


@dataclass(frozen=True)
class Search:
    """What an engine brings back.

    Attributes
    ----------
    model, metric : str
        What was tuned by what.
    engine : str
        ``optuna`` or ``katib``.
    space : dict
        As :meth:`~components.tuning.space.Space.to_dict` writes it.
    default : Trial
        The model's own hyper-parameters, scored the same way; number 0.
    trials : tuple of Trial
        The others.
    notes : dict
        Where it ran: study file, or experiment and namespace.
    """

    model: str
    metric: str
    engine: str
    space: Mapping[str, Any]
    default: Trial
    trials: tuple[Trial, ...]
    notes: Mapping[str, Any] = field(default_factory=dict)

    @property
    def scored(self) -> tuple[Trial, ...]:
        """The trials that did not fail."""
        return tuple(t for t in self.trials if t.score is not None)

    @property
    def best(self) -> Trial:
        """The lowest score, the earlier of two; the default where no trial beats it."""
        return min((self.default, *self.scored), key=lambda t: (t.score, t.number))

    def deflation(self) -> Deflation:
        """Return what is left of the best trial's gain."""
        return deflate(self.default.blocks, [t.blocks for t in self.scored])

    def write(self, path: Path) -> None:
        """Write to JSON."""
        path.write_text(json.dumps(finite(asdict(self)), indent=1) + "\n", encoding="utf-8")

    @classmethod
    def read(cls, path: Path) -> Search:
        """Inverse of :meth:`write`."""
        raw = json.loads(path.read_text(encoding="utf-8"))
        trials = tuple(Trial.from_dict(t) for t in raw.pop("trials"))
        return cls(**{**raw, "default": Trial.from_dict(raw["default"]), "trials": trials})


def summary(search: Search) -> dict[str, Any]:
    """Return the facts that the evaluation, the lineage and the card carry.

    Raises
    ------
    ConfigurationError
        If no trial was scored.
    """
    if not search.scored:
        why = next((t.problem for t in search.trials if t.problem), "no trial ran")
        raise ConfigurationError(
            f"None of {len(search.trials)} trials of {search.model} has a score: {why}",
            "Look at the trials' logs, or narrow the search space.",
        )
    deflation, best = search.deflation(), search.best
    facts = {
        "engine": search.engine,
        "metric": search.metric,
        "trials": len(search.scored),
        "failed_trials": len(search.trials) - len(search.scored),
        "default_score": search.default.score,
        "best_score": best.score,
        "best_trial": best.number,
        "best_params": dict(best.params),
        "gain": deflation.gain,
        "expected_gain_of_luck": deflation.expected_gain,
        "deflated_score": deflation.score,
        "survives": deflation.survives,
    }
    return facts | {"sentence": sentence(facts)}


def sentence(facts: Mapping[str, Any]) -> str:
    """Say in one sentence what came out."""
    measure = str(facts["metric"]).removesuffix("_ratio").replace("_", " ")
    begin = (
        f"{facts['trials']} trials; the best {measure} is {facts['best_score']:.4g} times the baseline's on the tuning "
        f"folds, the default's {facts['default_score']:.4g}"
    )
    if facts["best_trial"] == 0:
        return f"{begin}: no trial beat the default, which is kept."
    luck = f"the best of so many trials would gain {facts['expected_gain_of_luck']:.2g} by luck alone"
    word = "survives" if facts["survives"] else "does not survive"
    return f"{begin}; {luck}, so the gain of {facts['gain']:.2g} {word} (deflated score {facts['deflated_score']:.4g})."


def best_so_far(trials: Sequence[Trial]) -> list[float]:
    """Return the best score so far after each scored trial."""
    best: list[float] = []
    for trial in trials:
        if trial.score is not None:
            best.append(min([trial.score, *best[-1:]]))
    return best
