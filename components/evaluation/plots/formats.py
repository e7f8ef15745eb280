"""Numbers as people read them: sensible digits, units, thousands separators, p-values in words."""

from __future__ import annotations

import math
from typing import Any

from components.finite import finite as finite  # the plots call it by this module

NBSP = "\u00a0"
MISSING = "–"


def number(value: Any, significant: int = 4) -> str:
    """Format with ``significant`` digits and thousands separators: 1234.5678 as ``1,235``, 0.000123 as ``0.000123``."""
    real = finite(value)
    if real is None:
        return MISSING
    if real == 0:
        return "0"
    magnitude = math.floor(math.log10(abs(real)))
    if magnitude >= 9 or magnitude < -5:
        return f"{real:.{significant - 1}e}".replace("-", "−")
    return minus(f"{real:,.{max(0, significant - 1 - magnitude)}f}")


def compact(value: Any, significant: int = 4) -> str:
    """Like :func:`number`, without trailing zeros: 0.5 instead of ``0.5000``."""
    text = number(value, significant)
    return text.rstrip("0").rstrip(".") if "." in text and "e" not in text else text


def price(value: Any) -> str:
    """Format a price: two decimals, four below 1."""
    real = finite(value)
    if real is None:
        return MISSING
    return minus(f"{real:,.{2 if abs(real) >= 1 else 4}f}")


def count(value: Any) -> str:
    """Format a whole number with thousands separators."""
    real = finite(value)
    return MISSING if real is None else minus(f"{round(real):,}")


def percent(value: Any, digits: int = 1, signed: bool = False) -> str:
    """Format a decimal as a percentage: 0.0531 as ``5.3 %``."""
    real = finite(value)
    if real is None:
        return MISSING
    text = f"{100 * real:{'+' if signed else ''}.{digits}f}"
    return minus(text) + NBSP + "%"


def p_value(p: Any) -> str:
    """Format a p-value: ``p < 0.001``, ``p = 0.032``."""
    real = finite(p)
    if real is None:
        return f"p {MISSING}"
    text = "p < 0.001" if real < 0.001 else f"p = {real:.3f}" if real < 0.1 else f"p = {real:.2f}"
    return text.replace(" ", NBSP)


def seconds(value: Any) -> str:
    """Format a duration given in seconds: ``8.2 ms``, ``3.2 s``, ``4 min 10 s``."""
    real = finite(value)
    if real is None:
        return MISSING
    if abs(real) < 1:
        return milliseconds(1000 * real)
    if abs(real) < 60:
        return f"{real:.1f}{NBSP}s"
    minutes, rest = divmod(round(real), 60)
    return f"{minutes}{NBSP}min {rest}{NBSP}s"


def milliseconds(value: Any) -> str:
    """Format a duration given in milliseconds: ``0.42 ms``, ``8.2 ms``, ``120 ms``."""
    real = finite(value)
    if real is None:
        return MISSING
    digits = 2 if abs(real) < 1 else 1 if abs(real) < 20 else 0
    return f"{real:.{digits}f}{NBSP}ms"


def horizon(name: Any) -> str:
    """Name a horizon for people: ``1_day`` as ``1 day``, ``5_day`` as ``5 days``."""
    words = str(name).split("_")
    if len(words) == 2 and words[0].isdigit() and words[0] != "1" and not words[1].endswith("s"):
        words[1] += "s"
    return " ".join(words)


def label(name: Any) -> str:
    """Turn an identifier into words: ``random_walk`` as ``random walk``."""
    return str(name).replace("_", " ")


def date(value: Any) -> str:
    """Format a time as its day: ``18 Dec 2018``."""
    import pandas as pd

    stamp = pd.Timestamp(value)
    return MISSING if pd.isna(stamp) else f"{stamp.day} {stamp:%b %Y}"


def plural(amount: int, singular: str, many: str = "") -> str:
    """Join a count and its noun: ``1 request``, ``2 requests``."""
    return f"{amount:,} {singular if amount == 1 else many or singular + 's'}"


def minus(text: str) -> str:
    """Use the typographic minus sign."""
    return text.replace("-", "−")
