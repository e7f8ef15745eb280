"""What every table shares: the metadata, and columns that most of them have."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Column, ForeignKey, MetaData, Uuid, text

from components.records.tables.types import Instant, Name

metadata = MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    }
)


def utc_now() -> datetime:
    """Return this moment in UTC."""
    return datetime.now(UTC)


def key() -> Column[Any]:
    """Return the primary key: a random UUID, made by the writer."""
    return Column("id", Uuid(), primary_key=True, default=uuid.uuid4)


def model_reference(name: str = "model_id") -> Column[Any]:
    """Return a reference to a row of ml_models."""
    return Column(name, Uuid(), ForeignKey("ml_models.id"))


def pseudonym(name: str) -> Column[Any]:
    """Return a column with a person's or a program's keyed hash; the documents' ``REFERENCES users(id)``."""
    return Column(name, Name(64))


def moment(name: str, *, updated: bool = False) -> Column[Any]:
    """Return a moment that is now by default, and again at each update where ``updated``."""
    return Column(
        name,
        Instant(),
        nullable=False,
        default=utc_now,
        server_default=text("CURRENT_TIMESTAMP"),
        onupdate=utc_now if updated else None,
    )
