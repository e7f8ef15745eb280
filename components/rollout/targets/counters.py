"""How much counters rose within a window, from the raw samples that Prometheus keeps.

PromQL's ``increase()`` extrapolates to the ends of the window, so that its counts are fractions of requests that never
came, and its first sample of a series is taken for a rise from 0. A judge that works with exact binomial bounds needs
counts of what was seen. So the rise is summed here, between the first and the last sample inside the window, pod by
pod: what came before the first scrape or after the last one is left out rather than guessed.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

Sample = tuple[float, float]
"""Time (seconds since the epoch) and value."""


@dataclass(frozen=True)
class Series:
    """One counter of one pod."""

    labels: dict[str, str]
    samples: tuple[Sample, ...]

    @property
    def pod(self) -> tuple[str, str]:
        """What was scraped, whichever job scraped it."""
        return self.labels.get("namespace", ""), self.labels.get("pod") or self.labels.get("instance", "")


def rise(samples: Sequence[Sample]) -> int:
    """Return by how much a counter rose between its first and its last sample; 0 for fewer than two.

    A value below the one before is a restart: the counter began again at 0.

    Examples
    --------
    >>> rise([(0, 5), (15, 9), (30, 2), (45, 4)])
    8
    """
    return round(sum(now - before if now >= before else now for (_, before), (_, now) in pairwise(samples)))


def rises(series: Iterable[Series], label: str) -> dict[tuple[str, str], dict[str, int]]:
    """Return the rises by pod and by the value of a label.

    A pod that two jobs scrape is counted once, by the job that has more samples.
    """
    best: dict[tuple[tuple[str, str], str], Series] = {}
    for one in series:
        key = one.pod, one.labels.get(label, "")
        if key not in best or len(one.samples) > len(best[key].samples):
            best[key] = one
    found: defaultdict[tuple[str, str], dict[str, int]] = defaultdict(dict)
    for (pod, value), one in best.items():
        found[pod][value] = rise(one.samples)
    return dict(found)


def by_bucket(cumulative: dict[str, int]) -> list[tuple[float, int]]:
    """Turn cumulative counts by upper bound into (upper bound, count) of each bucket, ascending; the last is infinite.

    Examples
    --------
    >>> by_bucket({"+Inf": 7, "1.0": 2, "2.0": 6})
    [(1.0, 2), (2.0, 4), (inf, 1)]
    """
    ordered = sorted((float(bound), count) for bound, count in cumulative.items())
    below = [0, *(count for _, count in ordered)]
    return [(bound, max(0, count - less)) for (bound, count), less in zip(ordered, below, strict=False)]


def expand(counts: dict[float, int], longest: int) -> tuple[float, ...]:
    """Return an ascending sample with ``counts[value]`` of each value, thinned evenly to ``longest``.

    Examples
    --------
    >>> expand({2.0: 1, 1.0: 2}, 10)
    (1.0, 1.0, 2.0)
    """
    total = sum(counts.values())
    scale = min(1.0, longest / total) if total else 1.0
    sample: list[float] = []
    running = 0
    for value, count in sorted(counts.items()):
        running += count
        sample += [value] * (round(running * scale) - len(sample))
    return tuple(sample)
