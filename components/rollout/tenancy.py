"""One canary, one tenant: a model's canary on this machine belongs to a running rollout or to an experiment.

A rollout holds a lock as long as its process lives. An experiment lasts for days and no process stands for it, so a
file beside the lock says that the canary is held, and for what.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from components.rollout.interruption import RolloutBusy

EXPERIMENT = "experiment "
"""How the reason begins for which a cluster's canary is held at 0 %."""


@dataclass(frozen=True)
class Holding:
    """An experiment that holds a model's canary.

    Attributes
    ----------
    experiment, version : str
        The experiment's name, and the version on the canary track.
    """

    experiment: str
    version: str


class CanaryHeld(RolloutBusy):
    """An experiment holds the model's canary."""


@dataclass(frozen=True)
class Tenancy:
    """Who has the canary of one model below a home.

    Attributes
    ----------
    folder : Path
        ``rollouts`` in the home.
    model : str
    """

    folder: Path
    model: str

    @property
    def holding(self) -> Holding | None:
        """The experiment that holds the canary."""
        try:
            return Holding(**json.loads(self._record.read_text(encoding="utf-8")))
        except FileNotFoundError:
            return None

    @contextmanager
    def alone(self, who: str) -> Iterator[None]:
        """Keep every other change of the model's canary out, for the time of the block.

        Parameters
        ----------
        who : str
            Is told to those who come meanwhile, for example ``the rollout of version 2``.

        Raises
        ------
        RolloutBusy
            If somebody else is at it.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        with (self.folder / f"{self.model}.canary.lock").open("a+", encoding="utf-8") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                lock.seek(0)
                raise RolloutBusy(
                    f"The canary of {self.model} is taken by {lock.read().strip() or 'another process'}.",
                    "Wait until that has ended, or end it with Ctrl-C.",
                ) from error
            lock.truncate(0)
            lock.write(f"{who} (pid {os.getpid()})")
            lock.flush()
            try:
                yield
            finally:
                lock.truncate(0)

    @contextmanager
    def rolling(self, version: str) -> Iterator[None]:
        """The same for a rollout.

        Raises
        ------
        RolloutBusy
            Likewise.
        CanaryHeld
            If an experiment holds the canary.
        """
        with self.alone(f"the rollout of version {version}"):
            held = self.holding
            if held is not None:
                raise CanaryHeld(
                    f"Experiment {held.experiment!r} holds version {held.version} of {self.model} as its canary.",
                    f"End it first: `arthaflow experiments end {held.experiment}`.",
                )
            yield

    def hold(self, experiment: str, version: str) -> None:
        """Write down that an experiment holds the canary."""
        scratch = self._record.with_suffix(".part")
        scratch.write_text(json.dumps(asdict(Holding(experiment, version))), encoding="utf-8")
        scratch.replace(self._record)

    def let_go(self) -> None:
        """Write down that nobody holds it."""
        self._record.unlink(missing_ok=True)

    @property
    def _record(self) -> Path:
        return self.folder / f"{self.model}.experiment.json"
