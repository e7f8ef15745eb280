"""How many different questions: linear counting (Whang et al., ACM TODS 15(2), 1990, doi:10.1145/78922.78925)."""

from __future__ import annotations

import math

BITS = 1 << 15


class Distinct:
    """Estimates a number of distinct items up to about 100,000 within 2 %, in 4 KiB."""

    def __init__(self) -> None:
        self._map = bytearray(BITS // 8)
        self._zeros = BITS

    def add(self, digest: int) -> None:
        """Note an item by its hash."""
        place = digest % BITS
        mask = 1 << (place & 7)
        if not self._map[place >> 3] & mask:
            self._map[place >> 3] |= mask
            self._zeros -= 1

    def __len__(self) -> int:
        """Return the estimate."""
        return round(-BITS * math.log(max(self._zeros, 1) / BITS))
