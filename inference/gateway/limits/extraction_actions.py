"""What follows when a caller's questions look like the extraction of a model."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any

from inference.gateway.caller import Caller
from inference.gateway.config import GatewaySettings
from inference.gateway.limits.extraction_watch import ExtractionWatch
from inference.gateway.limits.rate_limiter import RateLimiter
from inference.gateway.metrics import GatewayMetrics

logger = logging.getLogger(__name__)

MOST_NUMBERS = 4096


class ExtractionActions:
    """Watches questions; a suspicion is logged and counted; with ``watch=limit`` the caller's rate falls to a tenth.

    Parameters
    ----------
    config : GatewaySettings
    limiter : RateLimiter
    metrics : GatewayMetrics
    watch : ExtractionWatch, optional
    """

    def __init__(
        self,
        config: GatewaySettings,
        limiter: RateLimiter,
        metrics: GatewayMetrics,
        watch: ExtractionWatch | None = None,
    ) -> None:
        self._limits = config.watch == "limit"
        self._limiter, self._metrics = limiter, metrics
        self._watch = watch or ExtractionWatch()

    async def asked(self, caller: Caller, client: str, model: str, inputs: Any) -> None:
        """Note one question.

        Parameters
        ----------
        caller : Caller
            Internal ones are not watched.
        client : str
            Its address.
        model : str
        inputs
            The question as a JSON value; its numbers count.
        """
        if caller.tier == "internal":
            return
        found = self._watch.observe(caller.pseudonym, model, numbers_of(inputs))
        if found is None:
            return
        self._metrics.suspected(model)
        done = "its rate is a tenth for an hour" if self._limits else "nothing is done"
        logger.warning("Caller %s: %s (%s; %s)", caller.pseudonym, found.sentence, found.kind, done)
        if self._limits:
            await self._limiter.punish(caller, client)


def numbers_of(inputs: Any) -> list[float]:
    """Return a JSON value's numbers, keys in order of their names, 4,096 at most.

    Examples
    --------
    >>> numbers_of({"b": [1, 2.5], "a": {"x": True, "name": "ignored"}})
    [1.0, 1.0, 2.5]
    """
    return list(islice(_numbers(inputs), MOST_NUMBERS))


def _numbers(value: Any) -> Iterator[float]:
    if isinstance(value, int | float):
        yield _float(value)
    elif isinstance(value, Mapping):
        for name in sorted(value, key=str):
            yield from _numbers(value[name])
    elif isinstance(value, list | tuple):
        for entry in value:
            yield from _numbers(entry)


def _float(value: float) -> float:
    try:
        return float(value)
    except OverflowError:
        return float("inf")
