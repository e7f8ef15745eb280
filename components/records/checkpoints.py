"""Where a chain begins whose oldest entries were deleted: signed, and vouched for by an entry of the chain itself."""

from __future__ import annotations

import hmac
from typing import Any

import orjson
from sqlalchemy import Connection, insert, select

from components.records.chain import GENESIS, RETENTION, Head, append, event
from components.records.tables import audit_chain, audit_checkpoints


def signature(key: bytes, place: Head) -> str:
    """Return a checkpoint's signature."""
    return hmac.digest(key, orjson.dumps(["checkpoint", place.seq, place.hash]), "sha256").hex()


def is_signed(key: bytes, row: Any) -> bool:
    """Return whether a row of ``audit_checkpoints`` was written with the key."""
    return hmac.compare_digest(signature(key, Head(row.seq, row.hash)), row.signature)


def write_checkpoint(connection: Connection, key: bytes, place: Head, body: dict[str, Any]) -> Head:
    """Note that the chain begins after ``place`` from now on, and let the chain say so.

    Parameters
    ----------
    connection : Connection
        In a transaction that holds the chain's lock.
    place : Head
        The last entry that is deleted.
    body : dict
        Why, and how much.
    """
    body = {**body, "through": place.seq, "hash": place.hash}
    values = {"seq": place.seq, "hash": place.hash, "signature": signature(key, place), "body": body}
    connection.execute(insert(audit_checkpoints).values(**values))
    return append(connection, key, [event(RETENTION, str(place.seq), body)])


def first_to_check(connection: Connection, key: bytes) -> Head | str:
    """Return the entry after which verification begins, or what is wrong with the checkpoint that says so."""
    query = select(audit_checkpoints).order_by(audit_checkpoints.c.seq.desc()).limit(1)
    row = connection.execute(query).first()
    if row is None:
        return Head(0, GENESIS)
    if not is_signed(key, row):
        return f"the checkpoint at {row.seq} is not signed with the audit key"
    where = (audit_chain.c.kind == RETENTION, audit_chain.c.reference == str(row.seq))
    if connection.execute(select(audit_chain.c.seq).where(*where)).first() is None:
        return f"the checkpoint at {row.seq} stands in no entry of the chain"
    return Head(row.seq, row.hash)
