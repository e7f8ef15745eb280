"""Do new questions lie at fixed distances from earlier ones? Natural ones do not; synthetic ones do.

After PRADA: Juuti, Szyller, Marchal, Asokan, "PRADA: Protecting Against DNN Model Stealing Attacks", EuroS&P 2019,
arXiv:1805.02628. Attacks with Jacobian-based augmentation (JBDA) take earlier inputs and add a step of one length, so
that distances of new questions to their nearest earlier ones pile up at a few values. PRADA tests those distances for
normality (Shapiro-Wilk). Distances between market rows are not normal either, they have heavy tails, so that the pile
itself is looked for here: the largest share of the distances within a narrow band on a logarithmic scale.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]
WARM_UP = 32
"""Distinct questions before distances mean anything; their spread sets each coordinate's scale."""
CELLS = 32_768
MOST_COORDINATES = 512
DISTANCES = 192
BAND = 0.001
"""Width of the band, natural logarithm: 0.1 % of a distance. Made-up steps have one length to the last digits, while
natural distances come close to each other only as coordinates grow many."""
FARTHEST = 1e6
"""Of a coordinate from the median, in interquartile ranges."""
FEWEST_VALUES = 0.5
"""A coordinate whose distinct values are a smaller part of its questions than this is discrete: an age, a category, a
rounded amount. Distances along those pile up by nature, so they are left out."""


class NearestDistances:
    """Earlier questions of one caller to one model, and the nearest distances of the latest ones.

    Parameters
    ----------
    width : int
        Coordinates of a question; of more than 512, evenly spaced ones are looked at.
    """

    def __init__(self, width: int) -> None:
        self._picked = None if width <= MOST_COORDINATES else np.linspace(0, width - 1, MOST_COORDINATES).astype(int)
        kept = min(width, MOST_COORDINATES)
        self.capacity = int(np.clip(CELLS // kept, 512, 2048))
        self._points = np.zeros((self.capacity, kept), np.float32)
        self._squares = np.full(self.capacity, np.inf, np.float32)
        self._warm = np.zeros((WARM_UP, kept))
        self._seen = 0
        self._shift: Array | None = None
        self._weight: Array | None = None
        self._distances = np.zeros(DISTANCES)
        self._measured = 0
        self._every = 1 + kept // 128

    @property
    def nbytes(self) -> int:
        """Memory of the arrays, bytes."""
        return self._points.nbytes + self._squares.nbytes + self._warm.nbytes + self._distances.nbytes

    def add(self, vector: Array) -> None:
        """Note one distinct question, shape (width,)."""
        x = vector if self._picked is None else vector[self._picked]
        self._seen += 1
        if self._shift is None or self._weight is None:
            self._warm[self._seen - 1] = x
            if self._seen == WARM_UP:
                self._settle()
            return
        point = self._scaled(x, self._shift, self._weight)
        if self._seen % self._every == 0:
            self._measure(point)
        self._store(self._seen - 1, point)

    def pile(self) -> float:
        """Return the largest share of the latest distances within a band of 0.1 %; 0.0 while there are too few."""
        if self._measured < DISTANCES:
            return 0.0
        ordered = np.sort(np.log(self._distances))
        within = np.searchsorted(ordered, ordered + BAND, side="right") - np.arange(DISTANCES)
        return float(within.max()) / DISTANCES

    def _settle(self) -> None:
        """Fix each coordinate's scale by the first questions; discrete coordinates weigh nothing.

        Where most are discrete, the scale waits for other questions, so that nobody blinds the test by how he begins.
        """
        lower, upper = np.quantile(self._warm, (0.25, 0.75), axis=0)
        spread = upper - lower
        ordered = np.sort(self._warm, axis=0)
        distinct = 1 + (np.diff(ordered, axis=0) != 0).sum(axis=0)
        continuous = (distinct >= FEWEST_VALUES * WARM_UP) & (spread > 0)
        if 2 * continuous.sum() < len(continuous):
            self._seen = 0
            return
        self._shift = np.median(self._warm, axis=0)
        self._weight = np.where(continuous, 1.0 / np.where(spread > 0, spread, 1.0), 0.0)
        for place, row in enumerate(self._warm):
            self._store(place, self._scaled(row, self._shift, self._weight))

    @staticmethod
    def _scaled(x: Array, shift: Array, weight: Array) -> npt.NDArray[np.float32]:
        """Scale a question; far outliers come near, because one whose square is infinite would blind the search."""
        return ((x - shift) * weight).clip(-FARTHEST, FARTHEST).astype(np.float32)

    def _store(self, place: int, point: npt.NDArray[np.float32]) -> None:
        self._points[place % self.capacity] = point
        self._squares[place % self.capacity] = point @ point

    def _measure(self, point: npt.NDArray[np.float32]) -> None:
        approximate = self._squares - 2.0 * (self._points @ point)
        nearest = self._points[int(approximate.argmin())]
        gap = point - nearest
        distance = float(np.sqrt(gap @ gap))
        if distance > 0 and np.isfinite(distance):
            self._distances[self._measured % DISTANCES] = distance
            self._measured += 1
