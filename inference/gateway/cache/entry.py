"""One kept answer, and its form in Redis: a header of fixed length, the version, the tag, then the answer's bytes."""

from __future__ import annotations

import math
import random
import struct
from dataclasses import dataclass

_HEAD = struct.Struct("<4sdddfHH")
_MAGIC = b"AFC1"
JITTER = 0.1
"""Largest share of its life by which an answer expires early, so that what came together does not leave together."""


@dataclass(frozen=True, slots=True)
class CacheEntry:
    """One kept answer.

    Attributes
    ----------
    value : bytes
        The answer.
    version : str
        Of the model that gave it.
    stored_at, fresh_until, kept_until : float
        Unix times, seconds. Between the last two it may only stand in, marked stale.
    cost_s : float
        How long it took to compute, seconds.
    tag : str
        Whose data it holds, as a pseudonym; empty for nobody's.
    """

    value: bytes
    version: str
    stored_at: float
    fresh_until: float
    kept_until: float
    cost_s: float = 0.0
    tag: str = ""

    @classmethod
    def make(
        cls, value: bytes, version: str, now: float, ttl_s: float, stale_for_s: float, cost_s: float, tag: str = ""
    ) -> CacheEntry:
        """Return an answer that was computed now, with a little less than its time to live."""
        life = ttl_s * (1.0 - JITTER * random.random())
        kept = ttl_s + stale_for_s if stale_for_s > 0 else life
        return cls(value, version, now, now + life, now + kept, cost_s, tag)

    @property
    def size(self) -> int:
        """Bytes of its parts."""
        return len(self.value) + len(self.version) + len(self.tag)

    @property
    def outlives(self) -> bool:
        """Whether it may stand in after its time, and so after its version's."""
        return self.kept_until > self.fresh_until

    def age(self, now: float) -> float:
        """Return its age, seconds; clocks of two machines may differ, so never below 0."""
        return max(0.0, now - self.stored_at)

    def due(self, now: float) -> bool:
        """Return whether this request should renew it, before it expires, while others still take it.

        XFetch: the nearer the end and the dearer the computation, the likelier (Vattani, Chierichetti and Lowenstein,
        "Optimal Probabilistic Cache Stampede Prevention", VLDB 2015, doi:10.14778/2757807.2757813).
        """
        return now - self.cost_s * math.log(1.0 - random.random()) >= self.fresh_until

    def encode(self) -> bytes:
        """Return its form in Redis; ``fresh_until`` stands at bytes 5 to 12, where the Lua scripts read it."""
        version, tag = self.version.encode(), self.tag.encode()
        times = (self.fresh_until, self.stored_at, self.kept_until, self.cost_s)
        return _HEAD.pack(_MAGIC, *times, len(version), len(tag)) + version + tag + self.value

    @classmethod
    def decode(cls, data: bytes) -> CacheEntry | None:
        """Return what :meth:`encode` wrote; None for what is none, as another release may have written it."""
        if len(data) < _HEAD.size or data[:4] != _MAGIC:
            return None
        _, fresh_until, stored_at, kept_until, cost_s, versions, tags = _HEAD.unpack_from(data)
        middle = _HEAD.size + versions
        end = middle + tags
        if len(data) < end:
            return None
        version, tag = data[_HEAD.size : middle].decode(), data[middle:end].decode()
        return cls(data[end:], version, stored_at, fresh_until, kept_until, cost_s, tag)


@dataclass(frozen=True, slots=True)
class Fresh:
    """What a computation returns.

    Attributes
    ----------
    value : bytes
        The answer.
    version : str
        Of the model that gave it: the cache stores it under this one.
    store : bool
        Whether it may be kept.
    """

    value: bytes
    version: str
    store: bool = True


@dataclass(frozen=True, slots=True)
class Fetched:
    """What the cache returns.

    Attributes
    ----------
    value : bytes
        The answer.
    version : str
        Of the model that gave it.
    cached : bool
        Whether this request caused no computation of its own.
    stale : bool
        Whether it is past its time, or of an earlier version, and stands in because the model cannot answer.
    age_s : float
        Seconds since it was computed.
    """

    value: bytes
    version: str
    cached: bool
    stale: bool = False
    age_s: float = 0.0
