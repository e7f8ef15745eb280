"""Sector limits as people write them: "IT" is Information Technology, and a misspelt sector is refused."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

import numpy as np
import numpy.typing as npt

from components.data.sectors import INDIA, UNCLASSIFIED, UNITED_STATES
from components.errors import InvalidRequest
from components.models.contract import FloatArray

SAME: Final = (
    ("IT", "Information Technology", "Technology"),
    ("Finance", "Financials", "Financial Services"),
    ("FMCG", "Consumer Staples"),
    ("Healthcare", "Health Care"),
    ("Oil and Gas", "Energy"),
    ("Power", "Utilities"),
)
"""Names of the same sector in India and the US."""

_SAME: Final = {name.casefold(): frozenset(n.casefold() for n in group) for group in SAME for name in group}
_LISTED: Final = frozenset(name.casefold() for name in (*UNITED_STATES, *INDIA, UNCLASSIFIED))


def number_sectors(
    sectors: Iterable[str], limits: Mapping[str, float], known: Iterable[str]
) -> tuple[npt.NDArray[np.int64], FloatArray]:
    """Return the number of each security's sector, and the limit of each sector.

    Parameters
    ----------
    sectors : iterable of str
        Of the securities.
    limits : mapping of str to float
        Largest share by sector, decimal; under any of the sector's names, in any case. A sector without one may take
        everything.
    known : iterable of str
        Sectors of every security that the model knows.

    Raises
    ------
    InvalidRequest
        If a limit names no sector, or is no share.
    """
    names, place = np.unique(np.array(list(sectors), dtype=str), return_inverse=True)
    largest = np.ones(len(names))
    ours = {name.casefold() for name in known}
    for name, share in limits.items():
        if not 0 <= share <= 1:
            raise InvalidRequest(
                f"the limit of sector {name!r} is {share}", "Give a share between 0 and 1.", path="limit_share"
            )
        meant = _SAME.get(name.casefold(), frozenset((name.casefold(),)))
        if not meant & (ours | _LISTED | set(_SAME)):
            raise InvalidRequest(
                f"there is no sector {name!r}",
                f"Limit one of: {', '.join(sorted(set(known)))}.",
                path="limit_sector",
            )
        for number, sector in enumerate(names):
            if sector.casefold() in meant:
                largest[number] = min(largest[number], share)
    return place.astype(np.int64), largest
