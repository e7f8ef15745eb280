"""Which variant a user gets: a salted hash, the same in every process, replica and release.

The salt is the experiment's id, so that two experiments split the users independently of each other. Experiments that
must not meet share a *layer*: a first hash, salted with the layer's name, puts a user into one of 10,000 places, and
each experiment owns a range of them. Kohavi, Tang and Xu, Trustworthy Online Controlled Experiments (2020), chapter 4.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256

BUCKETS = 10_000


def bucket(salt: str, user: str) -> int:
    """Return a user's bucket, 0 to 9,999: the first 8 bytes of SHA-256 of ``salt:user``, modulo 10,000.

    The modulus favours no bucket by more than one part in 10^15.

    Examples
    --------
    >>> bucket("recommendation_model_v2", "u-17") == bucket("recommendation_model_v2", "u-17")
    True
    """
    return int.from_bytes(sha256(f"{salt}:{user}".encode()).digest()[:8], "big") % BUCKETS


@dataclass(frozen=True)
class Slice:
    """The places of a layer that one experiment owns: ``start <= bucket < stop``."""

    start: int = 0
    stop: int = BUCKETS

    def __post_init__(self) -> None:
        if not 0 <= self.start < self.stop <= BUCKETS:
            raise ValueError(f"[{self.start}, {self.stop}) is no range of the {BUCKETS} buckets")

    def __contains__(self, place: int) -> bool:
        return self.start <= place < self.stop

    def overlaps(self, other: Slice) -> bool:
        """Whether both own some place."""
        return self.start < other.stop and other.start < self.stop


def free_slice(taken: Sequence[Slice], share: float) -> Slice | None:
    """Return the first free range of a layer that holds ``share`` of the users, or None where none is left.

    Parameters
    ----------
    taken : sequence of Slice
        Of the layer's other running experiments.
    share : float
        Wanted share of the users, decimal.
    """
    wanted, start = max(1, round(share * BUCKETS)), 0
    for other in sorted(taken, key=lambda s: s.start):
        if other.start - start >= wanted:
            break
        start = max(start, other.stop)
    return Slice(start, start + wanted) if start + wanted <= BUCKETS else None


def choose(
    experiment: str, user: str, split: Mapping[str, float], *, layer: str = "", part: Slice | None = None
) -> str | None:
    """Return a user's variant, or None where the experiment does not own the user's place in its layer.

    Parameters
    ----------
    experiment : str
        Its id; the salt.
    user : str
        The user's pseudonym.
    split : mapping of str to float
        Share of each variant, decimal, in the order that lays them out over the buckets; they add up to 1.
    layer, part
        The layer's name and the experiment's part of it; None for everybody.
    """
    if part is not None and bucket(f"layer:{layer}", user) not in part:
        return None
    place, edge = bucket(experiment, user), 0.0
    last = ""
    for variant, share in split.items():
        edge += share * BUCKETS
        if share > 0:
            last = variant
            if place < round(edge):
                return variant
    return last
