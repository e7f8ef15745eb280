"""Pages of a table, the newest first: a cursor names the last row of the page before, so new rows shift nothing."""

from __future__ import annotations

import base64
import binascii
import uuid
from datetime import datetime
from typing import Any

from sqlalchemy import Column, Connection, Select, and_, or_

from components.errors import InvalidRequest
from components.wire import parse_moment

Row = dict[str, Any]


def encode_cursor(at: datetime, number: uuid.UUID) -> str:
    """Return the cursor after a row."""
    return base64.urlsafe_b64encode(f"{at.isoformat()} {number.hex}".encode()).decode().rstrip("=")


def decode_cursor(cursor: str) -> tuple[datetime, uuid.UUID]:
    """Inverse of :func:`encode_cursor`.

    Raises
    ------
    InvalidRequest
        If it is none that this service gave out.
    """
    try:
        text = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode()
        at, _, number = text.partition(" ")
        return parse_moment(at), uuid.UUID(number)
    except (ValueError, binascii.Error) as error:
        raise InvalidRequest(
            "This is no cursor of ours.", "Take next_cursor of the page before, or leave it out.", "cursor"
        ) from error


def read_page(
    connection: Connection, query: Select[Any], at: Column[Any], number: Column[Any], limit: int, cursor: str = ""
) -> tuple[list[Row], str | None]:
    """Return the rows of one page and the cursor of the next; None after the last.

    Parameters
    ----------
    query : Select
        Without an order and a limit.
    at, number : Column
        What it is ordered by, descending: a moment, and the primary key among equal moments. Both are selected.
    limit : int
        Most rows.
    cursor : str
        Of the page before; empty for the first.
    """
    if cursor:
        moment, last = decode_cursor(cursor)
        query = query.where(or_(at < moment, and_(at == moment, number < last)))
    found = connection.execute(query.order_by(at.desc(), number.desc()).limit(limit + 1)).mappings().all()
    rows = [dict(row) for row in found[:limit]]
    more = len(found) > limit
    return rows, encode_cursor(rows[-1][at.key], rows[-1][number.key]) if more else None
