"""The hash chain: each entry's hash is a keyed one over the entry and the hash before it.

``hash_i = HMAC-SHA256(audit key, [seq, hash_(i-1), kind, at, reference, payload_digest])``. Whoever can write to the
database but has not the key can neither change, insert, reorder nor delete an entry unseen; that entries are missing at
the end shows against an anchor (:mod:`components.records.anchors`).
"""

from __future__ import annotations

import hmac
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, NamedTuple

import orjson
from sqlalchemy import Connection, insert, select, text

from components.errors import ArthaflowError
from components.records.payload import body_digest
from components.records.tables import audit_chain, audit_checkpoints

GENESIS = "0" * 64
PREDICTION = "prediction"
ERASURE = "erasure"
REQUEST = "erasure_request"
RETENTION = "retention"
_LOCK = 0x41525448  # Any number that nothing else locks on: "ARTH".


class AnotherAuditKey(ArthaflowError):
    """The chain's last entry was written with another key; what follows it under this one could never be verified."""

    status = 503
    code = "ANOTHER_AUDIT_KEY"


class Head(NamedTuple):
    """The chain's last entry."""

    seq: int
    hash: str


@dataclass(frozen=True)
class Link:
    """What is to be appended.

    Attributes
    ----------
    kind : str
        ``prediction``, ``erasure``, ``erasure_request``, ``retention``.
    at : datetime
        UTC.
    reference : str
        The prediction's id, or what else the entry is about.
    digest : str
        Of the payload.
    body : mapping, optional
        The payload of what is no prediction.
    """

    kind: str
    at: datetime
    reference: str
    digest: str
    body: dict[str, Any] | None = None


def event(kind: str, reference: str, body: dict[str, Any]) -> Link:
    """Return an entry about the log itself; ``body`` holds nothing personal."""
    return Link(kind, datetime.now(UTC), reference, body_digest(body), body)


def entry_hash(key: bytes, seq: int, previous: str, kind: str, at: datetime, reference: str, digest: str) -> str:
    """Return an entry's hash, 64 hexadecimal digits."""
    when = at.astimezone(UTC).isoformat(timespec="microseconds")
    message = orjson.dumps([seq, previous, kind, when, reference, digest])
    return hmac.digest(key, message, "sha256").hex()


def lock(connection: Connection) -> None:
    """Keep others from appending until the transaction ends; SQLite's own lock does so already."""
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})


def head(connection: Connection) -> Head:
    """Return the chain's last entry; the last checkpoint's where no entry stands, and seq 0 before the first."""
    for table in (audit_chain, audit_checkpoints):
        row = connection.execute(select(table.c.seq, table.c.hash).order_by(table.c.seq.desc()).limit(1)).first()
        if row is not None:
            return Head(row.seq, row.hash)
    return Head(0, GENESIS)


def own_head(connection: Connection, key: bytes) -> Head:
    """Return the chain's last entry, where it was written with this key.

    Raises
    ------
    AnotherAuditKey
        If it was not.
    """
    row = connection.execute(select(audit_chain).order_by(audit_chain.c.seq.desc()).limit(1)).mappings().first()
    if row is None:
        return head(connection)
    told = (row["seq"], row["previous_hash"], row["kind"], row["at"], row["reference"], row["payload_digest"])
    if entry_hash(key, *told) != row["hash"]:
        raise AnotherAuditKey(
            f"Entry {row['seq']}, the audit chain's last, does not fit this process's audit key.",
            "Set ARTHAFLOW_AUDIT_KEY, or home/keys/audit_key, to the key that the log was written with.",
        )
    return Head(row["seq"], row["hash"])


def extend(key: bytes, last: Head, links: Iterable[Link]) -> tuple[list[dict[str, Any]], Head]:
    """Return the rows of entries that follow ``last``, and the new last one."""
    rows = []
    seq, previous = last
    for link in links:
        seq += 1
        digest = entry_hash(key, seq, previous, link.kind, link.at, link.reference, link.digest)
        rows.append(
            {
                "seq": seq,
                "at": link.at,
                "kind": link.kind,
                "reference": link.reference,
                "payload_digest": link.digest,
                "previous_hash": previous,
                "hash": digest,
                "body": link.body,
            }
        )
        previous = digest
    return rows, Head(seq, previous)


def append(connection: Connection, key: bytes, links: Sequence[Link]) -> Head:
    """Append entries within a transaction, and return the new head; call :func:`lock` first thing in it.

    Raises
    ------
    AnotherAuditKey
        If the chain was written with another key.
    """
    rows, last = extend(key, own_head(connection, key), links)
    if rows:
        connection.execute(insert(audit_chain), rows)
    return last
