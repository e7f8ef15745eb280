"""Too many requests."""

from __future__ import annotations

import math

from components.errors import ArthaflowError


class RateLimited(ArthaflowError):
    """A caller asked more than its allowance.

    Parameters
    ----------
    problem : str
    retry_after_s : float
        When a question is answered again, seconds.
    limit : int
        Requests per window.
    """

    status = 429
    code = "RATE_LIMITED"

    def __init__(self, problem: str, retry_after_s: float, limit: int) -> None:
        seconds = max(1, math.ceil(retry_after_s))
        super().__init__(problem, f"Ask again in {seconds} s.")
        self.retry_after_s = float(seconds)
        self.limit = limit
        self.details = {"limit": limit}

    @property
    def headers(self) -> list[tuple[bytes, bytes]]:
        """The answer's headers."""
        seconds = str(int(self.retry_after_s or 1)).encode()
        told = [(b"retry-after", seconds), (b"ratelimit-limit", str(self.limit).encode())]
        return [*told, (b"ratelimit-remaining", b"0"), (b"ratelimit-reset", seconds)]
