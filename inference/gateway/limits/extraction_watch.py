"""Watches whether a caller's questions look like the extraction of a model."""

from __future__ import annotations

import time
from collections import OrderedDict, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from inference.gateway.limits.distances import NearestDistances
from inference.gateway.limits.distinct import Distinct
from inference.gateway.limits.sweeps import Sweeps

Kind = Literal["distances", "sweep", "volume"]

WINDOW_S = 3600.0
EVERY = 32
"""Distinct questions between two tests."""
PILE = 0.25
SWEEP = 0.5
PROBING = 0.8
VOLUME = 5000
BUDGET_BYTES = 64 * 2**20
LARGEST = 1e30
REMEMBERED = 512
"""Latest questions among which a repeated one is recognised."""


@dataclass(frozen=True)
class Suspicion:
    """Why questions look like the extraction of a model.

    Attributes
    ----------
    kind : str
        ``distances``, ``sweep`` or ``volume``.
    score : float
        Share of the latest questions that fit (distances, sweep), or the number of distinct ones (volume).
    sentence : str
        For a person; it names the model and no caller.
    """

    kind: Kind
    score: float
    sentence: str


@dataclass
class _Watched:
    """What is known about one caller, one model, and questions of one width."""

    since: float
    distances: NearestDistances
    sweeps: Sweeps
    distinct: Distinct = field(default_factory=Distinct)
    told: bool = False
    added: int = 0
    latest: set[int] = field(default_factory=set)
    order: deque[int] = field(default_factory=deque)

    @property
    def nbytes(self) -> int:
        return self.distances.nbytes + self.sweeps.nbytes + 4096 + 100 * REMEMBERED


class ExtractionWatch:
    """Three tests per caller and model: distances (PRADA), sweeps over a grid, volume of distinct questions.

    Parameters
    ----------
    window_s : float
        A suspicion is told once per caller, model and window; volume is counted per window, seconds.
    volume : int
        Distinct questions within a window that are suspicious by their number alone; 0 for never. Document 0's limit
        lets premium callers ask 10,000.
    budget_bytes : int
        Memory of all callers together; whoever asked longest ago is forgotten first.
    clock : callable
        Seconds, monotonic.
    """

    def __init__(
        self,
        window_s: float = WINDOW_S,
        volume: int = VOLUME,
        budget_bytes: int = BUDGET_BYTES,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.window_s, self.volume, self.budget_bytes = window_s, volume, budget_bytes
        self._clock = clock
        self._watched: OrderedDict[tuple[str, str, int], _Watched] = OrderedDict()
        self._bytes = 0

    def observe(self, caller_pseudonym: str, model: str, vector: Sequence[float]) -> Suspicion | None:
        """Note one question.

        Parameters
        ----------
        caller_pseudonym, model : str
        vector : sequence of float
            Its numbers, always in one order; other values left out.

        Returns
        -------
        Suspicion or None
            Once per caller, model, width and window.
        """
        asked = np.asarray(vector, np.float64)
        if not asked.size:
            return None
        watched = self._of((caller_pseudonym, model, asked.size))
        digest = hash(asked.tobytes())
        if digest in watched.latest:
            return None
        watched.latest.add(digest)
        watched.order.append(digest)
        if len(watched.order) > REMEMBERED:
            watched.latest.discard(watched.order.popleft())
        if not (np.abs(asked) < LARGEST).all():
            asked = np.nan_to_num(asked, posinf=0.0, neginf=0.0).clip(-LARGEST, LARGEST)
        watched.distinct.add(digest)
        watched.distances.add(asked)
        watched.sweeps.add(asked)
        watched.added += 1
        if watched.told or watched.added % EVERY:
            return None
        found = self._judge(watched, model)
        watched.told = found is not None
        return found

    def _judge(self, watched: _Watched, model: str) -> Suspicion | None:
        share = watched.sweeps.share()
        if share >= SWEEP:
            said = f"{share:.0%} of the latest questions to {model} walk a grid, one input at a time."
            return Suspicion("sweep", share, said)
        probing = watched.sweeps.probing()
        if probing >= PROBING:
            said = f"{probing:.0%} of the latest questions to {model} change one input of the one before, all in turn."
            return Suspicion("sweep", probing, said)
        pile = watched.distances.pile()
        if pile >= PILE:
            said = f"{pile:.0%} of the latest questions to {model} lie at one distance from earlier ones: made up."
            return Suspicion("distances", pile, said)
        count = len(watched.distinct)
        if self.volume and count >= self.volume:
            return Suspicion("volume", count, f"About {count} different questions to {model} within one window.")
        return None

    def _of(self, key: tuple[str, str, int]) -> _Watched:
        """Return what is known; questions of another width are watched apart, so that mixing widths hides nothing."""
        now = self._clock()
        watched = self._watched.get(key)
        if watched is None:
            watched = self._watched[key] = _Watched(now, NearestDistances(key[2]), Sweeps(key[2]))
            self._bytes += watched.nbytes
            while self._bytes > self.budget_bytes and len(self._watched) > 1:
                self._bytes -= self._watched.popitem(last=False)[1].nbytes
            return watched
        self._watched.move_to_end(key)
        if now - watched.since >= self.window_s:
            watched.since, watched.told, watched.distinct = now, False, Distinct()
        return watched
