"""Verifies the audit trail: finds the first entry of the hash chain at which somebody has tampered with it."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import text

from components.errors import InvalidRequest
from components.records import chain
from components.records.chain import Head
from components.records.database import Database
from components.records.verdict import Verdict
from components.records.walk import Broken, Walk

__all__ = ["Verdict", "verify"]


def verify(
    database: Database, key: bytes, anchors: Iterable[Head] = (), first: int | None = None, last: int | None = None
) -> Verdict:
    """Verify the chain, or a range of it.

    Parameters
    ----------
    database : Database
    key : bytes
        The audit key.
    anchors : iterable of Head
        Heads of the chain that were written down elsewhere.
    first, last : int, optional
        Numbers of entries; the whole chain by default. With ``first`` the entry before it is taken as it stands, where
        its own hash is sound.

    Returns
    -------
    Verdict
        With the first bad entry where there is one.

    Raises
    ------
    InvalidRequest
        If the range holds no entry.
    """
    verdict = Verdict()
    try:
        with database.read() as connection:
            if connection.dialect.name == "postgresql":
                # Retention that deletes during the walk is no tampering.
                connection.execute(text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY"))
            top = chain.head(connection)
            _check_range(first, last, top.seq)
            Walk(connection, key, verdict, list(anchors), top).run(first, last)
    except Broken as broken:
        verdict.ok, verdict.bad_seq, verdict.problem = False, broken.seq, broken.problem
    return verdict


def _check_range(first: int | None, last: int | None, top: int) -> None:
    low, high = 1 if first is None else first, top if last is None else last
    if (first, last) != (None, None) and not (1 <= low <= high and low <= top):
        raise InvalidRequest(f"{low} to {high} are no entries.", f"The chain ends at {top}.", "first")
