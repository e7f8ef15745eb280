"""Retries: once, of what changes nothing, where no answer had begun, and never so many that they become the load.

The budget is Finagle's: every request earns a tenth of a retry, so that retries add at most a tenth to a model that is
already in trouble. The pause before a retry has full jitter (Brooker, "Exponential Backoff And Jitter", AWS, 2015).
"""

from __future__ import annotations

import random

from inference.router.backend import BackendFailed, BackendSlow, Response

CONNECTION_LEVEL = frozenset({502, 503})
"""What a proxy in front of a model answers when it could not reach it."""


class RetryBudget:
    """Counts what may be tried again.

    Parameters
    ----------
    share : float
        Retries that one request earns.
    most : float
        Most retries that are saved up; there are as many at the start.
    pause_s : float
        Longest pause before a retry, seconds.
    """

    def __init__(self, share: float = 0.1, most: float = 10.0, pause_s: float = 0.05) -> None:
        self.share, self.most, self.pause_s = share, most, pause_s
        self._saved = most

    def earn(self) -> None:
        """Count a request."""
        self._saved = min(self.most, self._saved + self.share)

    def take(self) -> bool:
        """Spend a retry; return whether there was one."""
        if self._saved < 1.0:
            return False
        self._saved -= 1.0
        return True

    def pause(self) -> float:
        """Return how long to wait before a retry, seconds."""
        return random.uniform(0.0, self.pause_s)


def worth_retrying(outcome: Response | BackendFailed) -> bool:
    """Return whether a request that changes nothing may be sent once more.

    A request that was delivered twice is not sent a third time: it may be what kills the servers. A server that says
    when to come again is believed, and its answer passed on.

    Examples
    --------
    >>> [worth_retrying(Response(status)) for status in (503, 500, 429)]
    [True, False, False]
    >>> worth_retrying(Response(503, [(b"retry-after", b"5")]))
    False
    """
    if isinstance(outcome, BackendSlow):
        return False
    if isinstance(outcome, BackendFailed):
        return not outcome.begun and outcome.deliveries < 2
    return outcome.status in CONNECTION_LEVEL and not any(name == b"retry-after" for name, _ in outcome.headers)
