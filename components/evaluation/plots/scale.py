"""Scales map values to pixels; ticks are round numbers or calendar dates."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]
Tick = tuple[float, str]
DAY = 86_400.0


@dataclass(frozen=True)
class Scale:
    """Linear map from ``[low, high]`` to pixels ``[start, stop]``."""

    low: float
    high: float
    start: float
    stop: float

    def __call__(self, values: Any) -> FloatArray:
        """Map values (any shape) to pixels."""
        span = (self.high - self.low) or 1.0
        out: FloatArray = self.start + (np.asarray(values, dtype=float) - self.low) / span * (self.stop - self.start)
        return out

    def one(self, value: float) -> float:
        """Map one value to a pixel."""
        return float(self(value))


def extent(*series: Any, pad: float = 0.05, include: Iterable[float] = ()) -> tuple[float, float]:
    """Return the padded range over the finite values of all series; ``(0, 1)`` when there are none."""
    values = np.concatenate([np.ravel(np.asarray(s, dtype=float)) for s in (*series, list(include))] or [np.array([])])
    values = values[np.isfinite(values)]
    if not len(values):
        return 0.0, 1.0
    low, high = float(values.min()), float(values.max())
    margin = pad * (high - low) if high > low else (abs(high) * 0.05 or 0.5)
    return low - margin, high + margin


def nice_step(span: float, wanted: int) -> float:
    """Return a step of 1, 2, 2.5 or 5 times a power of ten that cuts ``span`` into about ``wanted`` parts."""
    raw = span / max(1, wanted)
    if raw <= 0 or not math.isfinite(raw):
        return 1.0
    power = 10.0 ** math.floor(math.log10(raw))
    return power * next(m for m in (1, 2, 2.5, 5, 10) if m * power >= raw * 0.999)


def linear_ticks(low: float, high: float, wanted: int = 5, form: Callable[[float], str] | None = None) -> list[Tick]:
    """Return round ticks inside ``[low, high]`` with labels."""
    step = nice_step(high - low, wanted)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    values = [k * step for k in range(first, last + 1)]
    digits = max(0, -math.floor(math.log10(step) + 1e-9)) + (1 if _halved(step) else 0)
    label = form or (lambda v: f"{v:,.{digits}f}".replace("-", "−"))
    return [(v, label(0.0 if abs(v) < step * 1e-9 else v)) for v in values]


def percent_ticks(low: float, high: float, wanted: int = 5) -> list[Tick]:
    """Ticks of a decimal range, labelled in percent with as many digits as the step needs."""
    return [(v / 100, f"{word}\u00a0%") for v, word in linear_ticks(100 * low, 100 * high, wanted)]


def ratio_ticks(low: float, high: float) -> list[Tick]:
    """Ticks of a logarithmic axis of ratios (in powers of ten): 0.1×, 0.3×, 1×, 3×, 10×."""
    values = [m * 10.0**k for k in range(math.floor(low), math.ceil(high) + 1) for m in (1, 3)]
    return [(math.log10(v), f"{v:g}×") for v in values if low <= math.log10(v) <= high]


def _halved(step: float) -> bool:
    """Whether the step is 2.5 times a power of ten, which needs one digit more."""
    return abs(step / 10 ** math.floor(math.log10(step) + 1e-9) - 2.5) < 1e-9 and step < 10


def to_seconds(times: Any) -> FloatArray:
    """Convert times (datetime64, Timestamp or ISO strings) to seconds since 1970, UTC."""
    import pandas as pd

    index = pd.DatetimeIndex(pd.to_datetime(np.atleast_1d(np.asarray(times)), utc=True))
    return np.asarray(index.as_unit("ns").asi8, dtype=float) / 1e9


def time_ticks(low: float, high: float, wanted: int = 6) -> list[Tick]:
    """Return calendar ticks (years, quarters, months, weeks, days, hours or minutes) between two epoch seconds."""
    import pandas as pd

    span = (high - low) / DAY
    choices = [
        (3652.5, "5YS", "%Y"),
        (731, "2YS", "%Y"),
        (365.25, "YS", "%Y"),
        (182.6, "6MS", "%b %Y"),
        (91.3, "QS", "%b %Y"),
        (60.9, "2MS", "%b %Y"),
        (30.4, "MS", "%b %Y"),
        (14.0, "2W-MON", "%d %b"),
        (7.0, "W-MON", "%d %b"),
        (1.0, "D", "%d %b"),
        (0.25, "6h", "%d %b %H:%M"),
        (1 / 24, "h", "%H:%M"),
        (1 / 96, "15min", "%H:%M"),
    ]
    days, rule, form = min(choices, key=lambda choice: abs(math.log(max(span, 1e-6) / choice[0] / wanted)))
    margin = pd.Timedelta(days=0.001)
    start, stop = (pd.Timestamp(v, unit="s") for v in (low, high))
    stamps = pd.date_range(start.floor("D") if days >= 1 else start.floor(rule), stop + margin, freq=rule)
    inside = [s for s in stamps if low <= s.timestamp() <= high]
    return [(s.timestamp(), s.strftime(form).lstrip("0") if days >= 1 else s.strftime(form)) for s in inside]
