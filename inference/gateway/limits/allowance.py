"""What a caller may still ask."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Allowance:
    """What is left of a caller's rate.

    Attributes
    ----------
    limit : int
        Requests per hour; 0 for none.
    remaining : int
        Requests left.
    reset_s : float
        When some of the used ones come back, seconds.
    """

    limit: int
    remaining: int
    reset_s: float

    def headers(self) -> list[tuple[bytes, bytes]]:
        """Return ``RateLimit-Limit``, ``-Remaining``, ``-Reset``; nothing where there is no limit."""
        if not self.limit:
            return []
        return [
            (b"ratelimit-limit", b"%d" % self.limit),
            (b"ratelimit-remaining", b"%d" % self.remaining),
            (b"ratelimit-reset", b"%d" % max(0, math.ceil(self.reset_s))),
        ]


UNLIMITED = Allowance(0, 0, 0.0)
