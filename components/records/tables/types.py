"""Column types that mean the same on SQLite and PostgreSQL."""

from __future__ import annotations

import decimal
import hashlib
import ipaddress
import math
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import ARRAY, JSON, DateTime, Numeric, String, Text
from sqlalchemy.dialects.postgresql import INET, JSONB
from sqlalchemy.engine import Dialect
from sqlalchemy.types import TypeDecorator, TypeEngine


class Instant(TypeDecorator[datetime]):
    """A moment in UTC: aware on both sides of the database; SQLite keeps no zone, so the type adds it."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Return the moment in UTC.

        Raises
        ------
        ValueError
            If it has no zone: nobody could say when it was.
        """
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"{value} has no time zone; give it one, for example datetime.now(UTC)")
        moment = value.astimezone(UTC)
        return moment if dialect.name == "postgresql" else moment.replace(tzinfo=None)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Return the moment as aware UTC."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class Decimal(TypeDecorator[float]):
    """The documents' DECIMAL(precision, scale), a float in Python.

    A number is rounded to the scale as PostgreSQL rounds it. One that the column cannot hold (NaN, infinite, too large)
    is stored as NULL, never as another number; where exactness matters the JSON beside it has it.

    Examples
    --------
    >>> Decimal(5, 4).fit(0.98765)
    0.9877
    >>> Decimal(5, 4).fit(12.0) is None
    True
    """

    impl = Numeric
    cache_ok = True

    def __init__(self, precision: int, scale: int) -> None:
        self.precision, self.scale = precision, scale
        super().__init__(precision, scale, asdecimal=False)

    def fit(self, value: Any) -> float | None:
        """Return the number that the column will hold, or None."""
        if value is None or not math.isfinite(value):
            return None
        rounded = round(float(value), self.scale)
        return rounded if abs(rounded) < 10.0 ** (self.precision - self.scale) else None

    def process_bind_param(self, value: Any, dialect: Dialect) -> Any:
        """Return :meth:`fit`; exactly, for PostgreSQL would take a float with 15 digits only."""
        fitting = self.fit(value)
        return fitting if fitting is None or dialect.name == "sqlite" else decimal.Decimal(repr(fitting))

    def process_result_value(self, value: Any, dialect: Dialect) -> float | None:
        """Return a float."""
        return None if value is None else float(value)


class Name(TypeDecorator[str]):
    """The documents' VARCHAR(n), where PostgreSQL refuses what SQLite takes: a text too long, or one with a NUL.

    A longer text is cut and ends in a mark of the whole, so that two different ones stay different and a search for
    the long one still finds it.

    Examples
    --------
    >>> Name(16).fit("NIFTY-2026-11-26-CE-24000")
    'NIFTY-2~6110d591'
    """

    impl = String
    cache_ok = True

    def __init__(self, length: int) -> None:
        self.length = length
        super().__init__(length)

    def fit(self, value: str) -> str:
        """Return the text that the column will hold."""
        value = value.replace("\x00", "\ufffd")
        if len(value) <= self.length:
            return value
        mark = "~" + hashlib.sha256(value.encode(errors="replace")).hexdigest()[: min(8, self.length - 2)]
        return value[: self.length - len(mark)] + mark

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        """Return :meth:`fit`."""
        return None if value is None else self.fit(value)


class Prose(TypeDecorator[str]):
    """TEXT without the NULs that PostgreSQL refuses."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        """Return the text without NULs."""
        return None if value is None else value.replace("\x00", "\ufffd")


class Address(TypeDecorator[str]):
    """An internet address or network as text; INET on PostgreSQL, and NULL for what is neither."""

    impl = Name(50)
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """Return INET where there is one."""
        return dialect.type_descriptor(INET() if dialect.name == "postgresql" else Name(50))

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        """Return the address in its usual form."""
        try:
            return str(ipaddress.ip_interface(value).with_prefixlen) if value and "/" in value else _plain(value)
        except ValueError:
            return None


def _plain(value: str | None) -> str | None:
    return str(ipaddress.ip_address(value)) if value else None


def Json() -> TypeEngine[Any]:
    """JSON: JSONB on PostgreSQL. Python's None is SQL's NULL."""
    return JSON(none_as_null=True).with_variant(JSONB(none_as_null=True), "postgresql")


def Vector() -> TypeEngine[Any]:
    """The documents' DECIMAL[]; JSON where there are no arrays."""
    return JSON(none_as_null=True).with_variant(ARRAY(Numeric(asdecimal=False)), "postgresql")
