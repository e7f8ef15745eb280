"""Amounts in rupees as the product writes them: ``₹5000``, and ``₹52,45,000`` in lakh grouping."""

from __future__ import annotations

import math
from typing import Final

FIRST_GROUPED: Final = 10_000
"""The documents write ``₹5000/month`` and ``₹5,20,000/month``: five digits are grouped, four are not."""


def rupees(amount: float) -> str:
    """Return whole rupees, grouped as in India from five digits on.

    Parameters
    ----------
    amount : float
        In rupees; rounded to the nearest whole one, halves away from zero.

    Raises
    ------
    ValueError
        If it is not finite.

    Examples
    --------
    >>> rupees(5000), rupees(520000), rupees(5245000.4), rupees(-12345)
    ('₹5000', '₹5,20,000', '₹52,45,000', '-₹12,345')
    """
    if not math.isfinite(amount):
        raise ValueError(f"{amount} is no amount of rupees")
    whole = math.floor(abs(amount) + 0.5)
    digits = str(whole) if whole < FIRST_GROUPED else group(whole)
    return f"{'-' if amount < 0 and whole else ''}₹{digits}"


def group(whole: int) -> str:
    """Put commas before the last three digits, and before every two further ones.

    Parameters
    ----------
    whole : int
        Not negative.

    Examples
    --------
    >>> group(999), group(100000), group(123456789)
    ('999', '1,00,000', '12,34,56,789')
    """
    head, tail = divmod(whole, 1000)
    if not head:
        return str(whole)
    pairs: list[str] = []
    while head >= 100:
        head, pair = divmod(head, 100)
        pairs.insert(0, f"{pair:02d}")
    return ",".join([str(head), *pairs, f"{tail:03d}"])
