"""Assigner: which variant a user gets, from memory; a thread looks for new and stopped experiments."""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from components.errors import ArthaflowError
from components.experiments.design import TRACKS, Design

if TYPE_CHECKING:
    from components.records.database import Database

LOG = logging.getLogger("arthaflow.gateway.experiments")
REFRESH_S = 5.0


@dataclass(frozen=True, slots=True)
class Assignment:
    """What an experiment says about one user's request.

    Attributes
    ----------
    experiment : str
        The experiment's name.
    variant : str
        ``control`` or ``treatment``.
    track : str
        ``stable`` or ``canary``: what the router is told.
    version : str
        That must answer; another one's answer is misrouted.
    """

    experiment: str
    variant: str
    track: str
    version: str


class Assigner:
    """Assigns users of the experiments that run.

    Parameters
    ----------
    database : Database
        Where experiments are kept.
    refresh_s : float
        How long another replica's change may go unseen. A replica that has not seen a new experiment answers with the
        stable version and logs no variant: such a request is not analysed, so that nobody is counted wrongly.
    """

    def __init__(self, database: Database, refresh_s: float = REFRESH_S) -> None:
        self.database, self.refresh_s = database, refresh_s
        self._designs: Mapping[str, tuple[Design, ...]] = {}
        self._done = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Load the experiments, and go on looking for changes until :meth:`close`, also for a database that is away."""
        self._look()
        self._done.clear()
        self._thread = threading.Thread(target=self._watch, name="experiments", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop looking."""
        self._done.set()
        if self._thread is not None:
            self._thread.join(timeout=10.0)
            self._thread = None

    def refresh(self) -> None:
        """Read the experiments that run or are about to.

        Raises
        ------
        RecordsUnavailable
            If the database is away; what was read last holds.
        """
        from inference.gateway.experiments.store import running

        found: dict[str, list[Design]] = {}
        for design in running(self.database, datetime.now(UTC)):
            found.setdefault(design.model, []).append(design)
        self._designs = {model: tuple(designs) for model, designs in found.items()}

    def assign(self, model: str, user: str) -> Assignment | None:
        """Return a user's variant, or None where no experiment of the model wants this user. No I/O.

        Parameters
        ----------
        user : str
            Pseudonym of the user; the caller's where the request is about nobody.
        """
        designs = self._designs.get(model)
        if not designs or not user:
            return None
        now = datetime.now(UTC)
        for design in designs:
            variant = design.variant_of(user) if design.runs_at(now) else None
            if variant is not None:
                return Assignment(design.name, variant, TRACKS[variant], design.versions[variant])
        return None

    def _watch(self) -> None:
        while not self._done.wait(self.refresh_s):
            self._look()

    def _look(self) -> None:
        try:
            self.refresh()
        except ArthaflowError as error:  # the database is away, or holds what this release cannot read
            LOG.warning("experiments could not be read, the last ones hold: %s", error)
