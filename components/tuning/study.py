"""The Optuna study: a seeded TPE search on one machine, kept in SQLite so that a killed one goes on where it was.

The sampler is seeded anew for every trial with the number of trials before it. A study that was killed and resumed
therefore draws the same trials as one that was not.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol

import numpy as np

from components.errors import ArthaflowError, ConfigurationError
from components.tuning.objective import Score
from components.tuning.result import Trial
from components.tuning.space import Parameter, Space

if TYPE_CHECKING:
    import optuna

STARTUP = 5
"""Trials that are drawn at random before TPE has something to learn from."""
RECORD = "arthaflow"

Found = Literal["new", "kept"]
"""Whether a trial was scored by this call, or lay in the database."""


class Listener(Protocol):
    """Is told each trial."""

    def __call__(self, trial: Trial, news: Found = "new") -> None:
        """Take one trial."""
        ...


def study_path(home: Path, facts: Mapping[str, Any]) -> Path:
    """Return the database of a study: one for the same model, space, data, code and seed."""
    digest = hashlib.sha256(json.dumps(facts, sort_keys=True, default=str).encode()).hexdigest()
    return home / "studies" / f"{facts['model']}-{digest[:16]}.db"


def run_study(
    objective: Callable[[Mapping[str, Any]], Score],
    space: Space,
    path: Path,
    trials: int,
    seed: int = 7,
    timeout_s: float = 0.0,
    listen: Listener = lambda trial, news="new": None,
) -> tuple[Trial, ...]:
    """Score the default, then search until there are ``trials`` others; return all of them, the default first.

    Parameters
    ----------
    objective : callable
        From an assignment to its score, lower is better. An error of it fails the trial, not the study.
    space : Space
        What is searched.
    path : Path
        SQLite database; what it already holds counts.
    trials : int
        Trials besides the default; with 0 only the default is scored, and Optuna is not needed.
    seed : int
        Of the sampler.
    timeout_s : float
        No trial starts this many seconds after the first one of this call; 0 for no limit.
    listen : callable
        Is told each trial, also those that were already there.

    Raises
    ------
    ConfigurationError
        If ``trials`` is negative, another process runs the same study, the default cannot be scored, or more than a
        quarter of the trials, and more than three, fail.
    """
    if trials < 0:
        raise ConfigurationError(f"trials={trials} is no number of trials.", "Ask for at least 1.")
    if trials == 0:
        told = [_score(objective, space.defaults, 0)]
        _refuse_failures(told, 0)
        return tuple(told)
    path.parent.mkdir(parents=True, exist_ok=True)
    began = time.monotonic()
    with _only_one(path):
        study = _open(path)
        told = [_read(t) for t in study.trials if RECORD in t.user_attrs]
        for trial in told:
            listen(trial, "kept")
        while len(told) <= trials:
            late = timeout_s > 0 and time.monotonic() - began >= timeout_s
            if late and len(told) > 1:
                break
            told.append(_step(study, objective, space, len(told), seed))
            listen(told[-1])
            _refuse_failures(told, trials)
    return tuple(told)


def _step(
    study: optuna.Study, objective: Callable[[Mapping[str, Any]], Score], space: Space, number: int, seed: int
) -> Trial:
    from optuna.samplers import TPESampler
    from optuna.trial import TrialState

    study.sampler = TPESampler(seed=seed + number, n_startup_trials=STARTUP)
    if number == 0:
        study.enqueue_trial(space.defaults, skip_if_exists=True)
    asked = study.ask()
    trial = _score(objective, {p.name: p.parse(_draw(asked, p)) for p in space.parameters}, number)
    asked.set_user_attr(RECORD, asdict(trial))
    if trial.score is None:
        # TPE learns from a pruned trial that it was bad; one told as failed it would draw again and again.
        study.tell(asked, state=TrialState.PRUNED)
    else:
        study.tell(asked, trial.score)
    return trial


def _score(objective: Callable[[Mapping[str, Any]], Score], params: Mapping[str, Any], number: int) -> Trial:
    started = time.perf_counter()
    try:
        score = objective(params)
    except (ArthaflowError, ValueError, ArithmeticError, np.linalg.LinAlgError) as error:
        return Trial(number, params, None, (), _since(started), f"{type(error).__name__}: {error}")
    return Trial(number, params, score.value, score.blocks, _since(started))


def _draw(trial: optuna.Trial, parameter: Parameter) -> Any:
    if parameter.kind == "choice":
        return trial.suggest_categorical(parameter.name, parameter.choices)
    if parameter.kind == "int":
        return trial.suggest_int(parameter.name, int(parameter.low), int(parameter.high), log=parameter.log)
    return trial.suggest_float(parameter.name, parameter.low, parameter.high, log=parameter.log)


def _open(path: Path) -> optuna.Study:
    import optuna
    from optuna.trial import TrialState

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    study = optuna.create_study(
        study_name="tuning", storage=f"sqlite:///{path}", direction="minimize", load_if_exists=True
    )
    for left in study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
        # A killed process left it behind, perhaps between keeping its score and telling it.
        kept = left.user_attrs.get(RECORD)
        if kept is None:
            study.tell(left.number, state=TrialState.FAIL)
        elif kept["score"] is None:
            study.tell(left.number, state=TrialState.PRUNED)
        else:
            study.tell(left.number, kept["score"])
    return study


def _read(trial: optuna.trial.FrozenTrial) -> Trial:
    return Trial.from_dict(trial.user_attrs[RECORD])


def _refuse_failures(told: list[Trial], trials: int) -> None:
    failed = [t for t in told if t.score is None]
    if failed and failed[0].number == 0:
        raise ConfigurationError(
            f"The default hyper-parameters cannot be scored: {failed[0].problem}", "Train the model without tuning."
        )
    if len(failed) > max(3, trials // 4):
        raise ConfigurationError(
            f"{len(failed)} of {len(told)} trials failed, the last: {failed[-1].problem}", "Narrow the search space."
        )


@contextmanager
def _only_one(path: Path) -> Iterator[None]:
    with path.with_suffix(".lock").open("w", encoding="utf-8") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise ConfigurationError(
                f"Another process runs the same study ({path}).", "Wait for it, or stop it."
            ) from error
        yield


def _since(started: float) -> float:
    return round(time.perf_counter() - started, 3)
