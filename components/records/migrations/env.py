"""Alembic's environment: the connection comes from :mod:`components.records.migrations.run`."""

from __future__ import annotations

from typing import Any, Literal

from alembic import context
from alembic.autogenerate.api import AutogenContext
from sqlalchemy.dialects.postgresql import JSONB

from components.records.tables import metadata
from components.records.tables import types as own

OWN = "from components.records.tables.types import Address, Decimal, Instant, Json, Name, Prose, Vector"


def render(kind: str, item: Any, found: AutogenContext) -> str | Literal[False]:
    """Write the documents' types as this package names them."""
    if kind != "type":
        return False
    found.imports.add(OWN)
    if isinstance(item, own.Decimal):
        return f"Decimal({item.precision}, {item.scale})"
    if isinstance(item, own.Name):
        return f"Name({item.length})"
    if isinstance(item, own.Instant | own.Prose | own.Address):
        return f"{type(item).__name__}()"
    mapped = getattr(item, "_variant_mapping", {}).get("postgresql")
    if mapped is not None:
        return "Json()" if isinstance(mapped, JSONB) else "Vector()"
    return False


context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    render_item=render,
    render_as_batch=context.config.attributes.get("batch", True),
    compare_type=True,
)
with context.begin_transaction():
    context.run_migrations()
