"""audit_chain links every entry of the audit trail to the one before it; audit_checkpoints pin it from outside."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Index, Table

from components.records.tables.base import metadata, moment
from components.records.tables.types import Instant, Json, Name

audit_chain = Table(
    "audit_chain",
    metadata,
    Column("seq", BigInteger, primary_key=True, autoincrement=False),
    Column("at", Instant(), nullable=False),
    Column("kind", Name(20), nullable=False),
    Column("reference", Name(200), nullable=False),
    Column("payload_digest", Name(64), nullable=False),
    Column("previous_hash", Name(64), nullable=False),
    Column("hash", Name(64), nullable=False),
    Column("body", Json()),
    Index("idx_audit_chain_reference", "kind", "reference"),
)

audit_checkpoints = Table(
    "audit_checkpoints",
    metadata,
    Column("seq", BigInteger, primary_key=True, autoincrement=False),
    Column("hash", Name(64), nullable=False),
    Column("signature", Name(128), nullable=False),
    moment("at"),
    Column("body", Json()),
)
