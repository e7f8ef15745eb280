"""A defect of ours as the log may hold it: what kind, and where. Its message may quote what a client sent."""

from __future__ import annotations

import traceback


def where(error: BaseException) -> str:
    """Return the kinds of an error and of its causes, the first raised last, each with its frames and without words.

    Examples
    --------
    >>> where(ValueError("the client's secret"))
    'ValueError'
    """
    told: list[str] = []
    seen: BaseException | None = error
    while seen is not None and len(told) < 8:
        frames = "".join(traceback.format_tb(seen.__traceback__))
        told.append(f"{type(seen).__name__}\n{frames}".rstrip())
        seen = seen.__cause__ or (None if seen.__suppress_context__ else seen.__context__)
    return "\nfrom ".join(told)
