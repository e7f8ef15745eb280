"""The watchman: shows every new question to the extraction watch, and does what the settings say about a suspicion."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any

from inference.gateway.caller import Caller
from inference.gateway.limits.extraction_watch import ExtractionWatch

if TYPE_CHECKING:
    from inference.gateway.config import GatewaySettings
    from inference.gateway.limits.rate_limiter import RateLimiter
    from inference.gateway.metrics import GatewayMetrics

LOG = logging.getLogger("arthaflow.gateway.extraction")
MOST = 256
"""Numbers of a question that are looked at; a larger one is told apart by its first ones."""


class Watchman:
    """Watches the questions that reach models: what the cache answers teaches nobody anything new.

    Parameters
    ----------
    config : GatewaySettings
        ``watch``: ``log``, or ``limit`` to a tenth of the caller's rate for an hour.
    limiter : RateLimiter
    metrics : GatewayMetrics
    """

    def __init__(self, config: GatewaySettings, limiter: RateLimiter, metrics: GatewayMetrics) -> None:
        self.limits = config.watch == "limit"
        self.limiter, self.metrics = limiter, metrics
        self.watch = ExtractionWatch()
        self._punishing: set[asyncio.Task[None]] = set()

    def note(self, caller: Caller, model: str, question: Any) -> None:
        """Look at a question's numbers, once the event loop has nothing more urgent: nobody waits for it.

        Parameters
        ----------
        question : JSON value
            Its numbers are taken in the order in which they stand.
        """
        if caller.tier != "internal":
            asyncio.get_running_loop().call_soon(self._look, caller, model, question)

    def _look(self, caller: Caller, model: str, question: Any) -> None:
        suspicion = self.watch.observe(caller.pseudonym, model, numbers(question))
        if suspicion is None:
            return
        self.metrics.suspected(model)
        LOG.warning("%s Caller %s.", suspicion.sentence, caller.pseudonym)
        if self.limits:
            punishing = asyncio.get_running_loop().create_task(self.limiter.punish(caller))
            self._punishing.add(punishing)
            punishing.add_done_callback(self._punishing.discard)


def numbers(value: Any, found: list[float] | None = None) -> list[float]:
    """Return the first numbers of a JSON value, in order; truth values are none.

    Examples
    --------
    >>> numbers({"a": [1, 2.5], "b": {"c": True, "d": "7", "e": 3}})
    [1, 2.5, 3]
    """
    found = [] if found is None else found
    kind = type(value)
    if kind is float or kind is int:
        found.append(value)
    elif kind is dict or kind is list:
        for part in value.values() if kind is dict else value:
            if len(found) >= MOST:
                break
            numbers(part, found)
    return found
