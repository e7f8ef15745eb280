"""The search behind :mod:`~inference.explain.counterfactual`: where to go, by how few steps, and how far at least.

1. *One feature alone.* Every free feature is moved over a grid of its range, the others staying.
2. *Donors.* Background rows that reach the goal lend their values, the nearest first (NICE); so do random rows within
   the ranges, and the row of every feature's most helpful value, for goals that no background row reaches.
3. *Greedy.* From each donor the value that helps most is taken over, one after the other, until the goal is reached.
4. *Prune* what turns out to be unneeded, then *shrink*: the values go back towards the instance's as far as the goal
   is still reached, together first, then one by one. Nothing is taken to be monotone: what is kept has been asked.

All steps ask the model in batches over all donors at once.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from inference.explain.packing import FloatArray
from inference.explain.problem import Problem
from inference.explain.space import Space
from inference.explain.wanted import Wanted

GRID = 17
"""Values of one feature that are tried alone."""

DONORS = 16
"""Rows whose values are taken over, nearest first."""

RANDOM_ROWS = 512
TRIED = 24
"""Rows that are shrunk."""

SECTIONS, ROUNDS = 16, 4
"""Shrinking cuts an interval into so many parts, so often: to 1 / 65536 of the change."""


@dataclass
class Search:
    """One search.

    Attributes
    ----------
    problem, space, goal
        What is asked, where, and to what end.
    row : ndarray of shape (width,)
        The instance.
    free : ndarray of int
        Packed columns that may change.
    low, high : ndarray of shape (width,)
        Ranges; the instance lies within.
    max_features : int
        Most columns that one answer may change.
    """

    problem: Problem
    space: Space
    goal: Wanted
    row: FloatArray
    free: npt.NDArray[np.intp]
    low: FloatArray
    high: FloatArray
    max_features: int

    def run(self, count: int) -> list[FloatArray]:
        """Return at most ``count`` rows that reach the goal, the smallest change first."""
        alone, margins = self._alone()
        starts = [alone[margins >= 0.0]]
        donors = self._donors(alone, margins)
        if len(donors):
            starts.append(self._greedy(donors))
        made = self._nearest_of_each(self._prune(np.unique(np.concatenate(starts), axis=0)))
        return self._differing(self._shrink(made), count) if len(made) else []

    def shares(self, rows: FloatArray) -> FloatArray:
        """Return the change of rows of shape (n, width) as shares of each free column's range; shape (n, free)."""
        changed: FloatArray = np.abs(rows - self.row)[:, self.free] / self._scale
        return changed

    def distance(self, rows: FloatArray) -> FloatArray:
        """Return the change of rows of shape (n, width), the sum of the shares; shape (n,)."""
        total: FloatArray = self.shares(rows).sum(axis=1)
        return total

    def includes(self, row: FloatArray, other: FloatArray) -> bool:
        """Tell whether a row changes everything that another one changes, and so is no other answer."""
        return bool(np.all((row != self.row) | (other == self.row)))

    def unusual(self, made: FloatArray) -> bool:
        """Tell whether a row lies farther from its nearest background row than 95 % of those do from theirs."""
        table = self.problem.background[:, self.free] / self._scale
        apart = np.abs(table[:, None, :] - table[None, :, :]).sum(axis=2)
        np.fill_diagonal(apart, np.inf)
        nearest = np.abs(table - made[self.free] / self._scale).sum(axis=1).min()
        return bool(nearest > np.quantile(apart.min(axis=1), 0.95))

    @property
    def _scale(self) -> FloatArray:
        scale: FloatArray = self.space.width[self.free]
        return scale

    def _margins(self, rows: FloatArray) -> FloatArray:
        return self.goal.margin(self.problem, rows) if len(rows) else np.empty(0)

    def _alone(self) -> tuple[FloatArray, FloatArray]:
        """Return rows that differ in one feature, GRID for each free one, and their margins."""
        rows = np.repeat(self.row[None, :], GRID * len(self.free), axis=0)
        for k, j in enumerate(self.free):
            rows[k * GRID : (k + 1) * GRID, j] = np.linspace(self.low[j], self.high[j], GRID)
        rows = self.space.settle(rows)
        return rows, self._margins(rows)

    def _donors(self, alone: FloatArray, margins: FloatArray) -> FloatArray:
        """Return rows that reach the goal if enough features change, nearest first."""
        rng = np.random.default_rng(self.problem.seed)
        best = alone.reshape(len(self.free), GRID, -1)[
            np.arange(len(self.free)), margins.reshape(len(self.free), GRID).argmax(axis=1)
        ]
        corner = self.row.copy()
        corner[self.free] = best[np.arange(len(self.free)), self.free]
        background = np.repeat(self.row[None, :], len(self.problem.background), axis=0)
        background[:, self.free] = np.clip(
            self.problem.background[:, self.free], self.low[self.free], self.high[self.free]
        )
        random = np.repeat(self.row[None, :], RANDOM_ROWS, axis=0)
        random[:, self.free] = rng.uniform(self.low[self.free], self.high[self.free], (RANDOM_ROWS, len(self.free)))
        rows = self.space.settle(np.concatenate([background, corner[None, :], random]))
        reached = rows[self._margins(rows) >= 0.0]
        nearest: FloatArray = reached[np.argsort(self.distance(reached), kind="stable")[:DONORS]]
        return nearest

    def _greedy(self, donors: FloatArray) -> FloatArray:
        """Return the rows that reach the goal by taking over a donor's values, the most helpful first."""
        made = np.repeat(self.row[None, :], len(donors), axis=0)
        finished = np.zeros(len(donors), dtype=np.bool_)
        for _ in range(min(self.max_features, len(self.free))):
            trials, owner = [], []
            for i in np.flatnonzero(~finished):
                for j in self.free[made[i, self.free] != donors[i, self.free]]:
                    trial = made[i].copy()
                    trial[j] = donors[i, j]
                    trials.append(trial)
                    owner.append(i)
            if not trials:
                break
            rows, owners = np.array(trials), np.array(owner)
            margins = self._margins(rows)
            for i in np.unique(owners):
                mine = np.flatnonzero(owners == i)
                pick = mine[margins[mine].argmax()]
                made[i], finished[i] = rows[pick], margins[pick] >= 0.0
        return made[finished]

    def _prune(self, made: FloatArray) -> FloatArray:
        """Take back single changes that are not needed, the smallest first."""
        made = made.copy()
        for moving in self._one_by_one(made, largest=False):
            trial = np.where(moving, self.row, made)
            kept = self._margins(trial) >= 0.0
            made[kept] = trial[kept]
        return made

    def _nearest_of_each(self, made: FloatArray) -> FloatArray:
        """Return the nearest row of each set of changed features and directions; at most TRIED of them."""
        nearest: dict[bytes, FloatArray] = {}
        for i in np.argsort(self.distance(made), kind="stable"):
            nearest.setdefault(np.sign(made[i] - self.row).tobytes(), made[i])
        return np.array(list(nearest.values())[:TRIED])

    def _shrink(self, made: FloatArray) -> FloatArray:
        """Bring changed values back towards the instance's: all together, then each by itself, the largest first."""
        made = self._back(made, made != self.row)
        for moving in self._one_by_one(made, largest=True):
            made = self._back(made, moving)
        return made

    def _one_by_one(self, made: FloatArray, largest: bool) -> Iterator[npt.NDArray[np.bool_]]:
        """Yield masks of shape (n, width) of each row's changed columns, one after the other by size of change."""
        shares = self.shares(made)
        most = int((shares > 0.0).sum(axis=1).max(initial=0))
        order = np.argsort(-shares if largest else np.where(shares > 0.0, shares, np.inf), axis=1, kind="stable")
        for rank in range(most):
            moving = np.zeros(made.shape, dtype=np.bool_)
            moving[np.arange(len(made)), self.free[order[:, rank]]] = True
            yield moving

    def _back(self, made: FloatArray, moving: npt.NDArray[np.bool_]) -> FloatArray:
        """Return rows whose ``moving`` values went back as far as a search by sections finds the goal still reached."""
        made, end, far = made.copy(), made.copy(), np.where(moving, self.row, made)
        low, high = np.zeros(len(made)), np.ones(len(made))
        every = np.arange(len(made))
        for _ in range(ROUNDS):
            shares = low[:, None] + (high - low)[:, None] * np.arange(SECTIONS)[None, :] / SECTIONS
            rows = far[:, None, :] + shares[:, :, None] * (end - far)[:, None, :]
            rows = self.space.settle(rows.reshape(-1, self.row.size))
            reached = (self._margins(rows) >= 0.0).reshape(shares.shape)
            some, first = reached.any(axis=1), reached.argmax(axis=1)
            made[some] = rows.reshape(*shares.shape, -1)[every, first][some]
            high = np.where(some, shares[every, first], high)
            low = shares[every, np.where(some, np.maximum(first - 1, 0), SECTIONS - 1)]
        return made

    def _differing(self, made: FloatArray, count: int) -> list[FloatArray]:
        """Return the smallest changes; none whose features include all of a smaller one's."""
        made = made[self._margins(made) >= 0.0]
        chosen: list[FloatArray] = []
        for row in made[np.argsort(self.distance(made), kind="stable")]:
            if not any(self.includes(row, earlier) for earlier in chosen):
                chosen.append(row)
        return chosen[:count]
