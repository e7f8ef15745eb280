"""The effect in parts of the population, adjusted for asking about many parts."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from components.experiments.multiplicity import e_benjamini_hochberg, holm
from components.experiments.sequential import LEAST_USERS, SequentialTest, sequential_test
from components.experiments.users import Sample, Users


@dataclass(frozen=True)
class SegmentResult:
    """One segment.

    Attributes
    ----------
    dimension, segment : str
        For example ``tier`` and ``premium``.
    test : SequentialTest
        Its own test; the interval is not adjusted.
    adjusted : float or None
        Level of false findings at which this is one (e-BH over all segments that were tested); None for too few users.
    family_p_value : float or None
        Holm-adjusted p-value, for readers who want no false finding at all.
    finding : bool
        Whether ``adjusted`` is at most ``alpha``.
    verdict : str
        One sentence.
    """

    dimension: str
    segment: str
    test: SequentialTest
    adjusted: float | None
    family_p_value: float | None
    finding: bool
    verdict: str

    def to_dict(self) -> dict[str, Any]:
        """Return a JSON-ready dictionary."""
        return asdict(self)


def by_segment(
    users: Users,
    sample: Sample,
    dimensions: list[str],
    *,
    planned: int,
    alpha: float = 0.05,
    least: int = LEAST_USERS,
    lower_is_better: bool = False,
) -> list[SegmentResult]:
    """Test every segment of the dimensions; all of them together are one family.

    Parameters
    ----------
    sample : Sample
        Adjusted values of the whole population (theta is the population's).
    dimensions : list of str
        Keys of ``users.segments``.
    """
    tests: list[tuple[str, str, SequentialTest]] = []
    for dimension in dimensions:
        labels = users.segments[dimension][sample.member]
        for name in sorted(set(labels.tolist()) - {""}):
            own = labels == name
            share = float(own.mean())
            test = sequential_test(sample.take(own), planned=max(1, round(planned * share)), alpha=alpha, least=least)
            tests.append((dimension, name, test))
    tested = [i for i, (_, _, test) in enumerate(tests) if test.interval is not None]
    adjusted = dict(zip(tested, e_benjamini_hochberg([tests[i][2].e_value for i in tested]).tolist(), strict=True))
    family = dict(zip(tested, holm([tests[i][2].p_value for i in tested]).tolist(), strict=True))
    out = []
    for index, (dimension, name, test) in enumerate(tests):
        level = adjusted.get(index)
        finding = level is not None and level <= alpha
        words = _words(test, finding, len(tested), lower_is_better)
        out.append(SegmentResult(dimension, name, test, level, family.get(index), finding, words))
    return out


def _words(test: SequentialTest, finding: bool, tested: int, lower_is_better: bool) -> str:
    if test.interval is None:
        return "too few" if min(test.users) < LEAST_USERS else test.verdict
    if not finding:
        return f"no finding among {tested} segments"
    better = (np.sign(test.effect or 0.0) > 0) != lower_is_better
    return f"the treatment is {'better' if better else 'worse'} here, also after asking {tested} segments"
