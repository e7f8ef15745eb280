"""journal_positions: up to where each writing process's journal is in the database, so that no record comes twice."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Table

from components.records.tables.base import metadata, moment
from components.records.tables.types import Name

journal_positions = Table(
    "journal_positions",
    metadata,
    Column("writer", Name(64), primary_key=True),
    Column("segment", BigInteger, nullable=False),
    Column("position", BigInteger, nullable=False),
    moment("updated_at", updated=True),
)
