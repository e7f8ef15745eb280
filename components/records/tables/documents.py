"""ml_documents: what applications keep with the platform, so that a request may name it instead of carrying it."""

from __future__ import annotations

from sqlalchemy import Column, Index, Table

from components.records.tables.base import metadata, moment, pseudonym
from components.records.tables.types import Json, Name

ml_documents = Table(
    "ml_documents",
    metadata,
    Column("entity_type", Name(50), primary_key=True),
    Column("entity_id", Name(100), primary_key=True),
    Column("document", Json(), nullable=False),
    # Whose data it is, where the application says so; and who keeps it.
    pseudonym("user_pseudonym"),
    Column("caller", Name(64)),
    moment("created_at"),
    moment("updated_at", updated=True),
    Index("idx_documents_user", "user_pseudonym"),
    Index("idx_documents_caller", "caller"),
)
