"""Numbers from what may be none."""

from __future__ import annotations

import math
from typing import Any


def finite(value: Any) -> float | None:
    """Return ``value`` as a float, or None where it is missing, not a number or infinite."""
    if value is None or isinstance(value, bool):
        return None
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    return number if math.isfinite(number) else None
