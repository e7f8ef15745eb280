"""What applications send, taken literally: no number out of a text, no moment out of a number, no field ignored.

Pydantic is obliging by default: it takes ``0`` for the first of January 1970 and ``false`` for nought. An API that
takes more than its document says cannot be relied on to refuse a mistake, so requests derive from :class:`Payload`.
"""

from __future__ import annotations

import re
from datetime import UTC, date, datetime
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

FIRST_YEAR, LAST_YEAR = 1900, 2200
"""Moments outside cannot be moved to another time zone at will, and are mistakes."""

_MOMENT = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d{1,9})?([Zz]|[+-]\d\d:\d\d)", re.ASCII)
_DAY = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)


Rounded = Annotated[float, AfterValidator(lambda value: round(value, 4))]
"""A number of an answer: four decimals, which is more than any model here knows, and what a person reads."""


class Payload(BaseModel):
    """A request's JSON object, or a part of it: types as documented, finite numbers, no unknown field."""

    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False, protected_namespaces=())


def parse_moment(value: Any) -> datetime:
    """Return a moment in UTC.

    Parameters
    ----------
    value : str or datetime
        A text as RFC 3339 writes it, with a time zone.

    Examples
    --------
    >>> parse_moment("2025-11-13T16:00:00+05:30").isoformat()
    '2025-11-13T10:30:00+00:00'

    Raises
    ------
    ValueError
        If it is anything else, or far from the present.
    """
    if isinstance(value, str) and _MOMENT.fullmatch(value):
        value = datetime.fromisoformat(value.upper())
    if not isinstance(value, datetime) or value.tzinfo is None:
        raise ValueError("write date, time and zone as in 2025-11-13T10:30:00Z")
    _check_year(value)
    return value.astimezone(UTC)


def parse_day(value: Any) -> date:
    """Return a day.

    Examples
    --------
    >>> parse_day("2016-12-30")
    datetime.date(2016, 12, 30)

    Raises
    ------
    ValueError
        If it is no date as ISO 8601 writes it, or far from the present.
    """
    if isinstance(value, str) and _DAY.fullmatch(value):
        value = date.fromisoformat(value)
    if not isinstance(value, date) or isinstance(value, datetime):
        raise ValueError("write the date as in 2016-12-30")
    _check_year(value)
    return value


def _check_year(day: date) -> None:
    if not FIRST_YEAR <= day.year <= LAST_YEAR:
        raise ValueError(f"the year is not between {FIRST_YEAR} and {LAST_YEAR}")


Moment = Annotated[datetime, BeforeValidator(parse_moment)]
"""A moment in UTC, from a text with a time zone."""

Day = Annotated[date, BeforeValidator(parse_day)]
"""A day, from a text."""

Integer = Annotated[int, Field(ge=-(2**53), le=2**53)]
"""A whole number that every JSON library keeps as it is (RFC 8259, section 6)."""
