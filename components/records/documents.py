"""Documents that applications keep: a portfolio, a goal, a strategy, under their own id.

One belongs to the caller that put it first: nobody else replaces it, so that one application's portfolio is never
another's answer. Whose *data* it is stands beside it as a pseudonym, for export and erasure.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, and_, delete, select, update

from components.errors import ArthaflowError
from components.records.database import Database
from components.records.tables import ml_documents
from components.records.tables.base import utc_now
from components.records.upsert import insert_missing


class DocumentTaken(ArthaflowError):
    """Somebody else keeps a document under this id."""

    status = 409


@dataclass(frozen=True)
class Document:
    """A kept document.

    Attributes
    ----------
    entity_type, entity_id : str
        Under which it is kept.
    parts : dict
        As the application sent it.
    user, caller : str
        Pseudonyms of whose data it is (empty for nobody's) and of who keeps it.
    created_at, updated_at : datetime
    """

    entity_type: str
    entity_id: str
    parts: dict[str, Any]
    user: str
    caller: str
    created_at: datetime
    updated_at: datetime


def put(
    database: Database,
    entity_type: str,
    entity_id: str,
    parts: Mapping[str, Any],
    *,
    user: str = "",
    caller: str = "",
    anybodys: bool = False,
) -> Document:
    """Keep a document, in place of the one that was there.

    Parameters
    ----------
    user, caller : str
        Pseudonyms; see :class:`Document`.
    anybodys : bool
        Whether a document that another caller keeps may be replaced; it stays that caller's.

    Raises
    ------
    DocumentTaken
        If another caller keeps one under this id.
    """
    key = {"entity_type": entity_type, "entity_id": entity_id}
    values = {"document": dict(parts), "user_pseudonym": user or None}
    with database.write() as connection:
        if not insert_missing(connection, ml_documents, {**key, **values, "caller": caller}, tuple(key)):
            mine = () if anybodys else (ml_documents.c.caller == caller,)
            change = update(ml_documents).where(_at(entity_type, entity_id), *mine)
            if not connection.execute(change.values(**values, updated_at=utc_now())).rowcount:
                raise DocumentTaken(
                    f"Another caller keeps {entity_type} {entity_id!r:.100}.",
                    "Use an id of your own, or let its owner put it.",
                )
    found = get(database, entity_type, entity_id)
    if found is None:
        raise DocumentTaken(
            f"{entity_type} {entity_id!r:.100} was deleted while it was put.", "Send the request again."
        )
    return found


def get(database: Database, entity_type: str, entity_id: str) -> Document | None:
    """Return a document, or None where there is none."""
    with database.read() as connection:
        row = connection.execute(select(ml_documents).where(_at(entity_type, entity_id))).mappings().one_or_none()
    return None if row is None else _document(row)


def remove(database: Database, entity_type: str, entity_id: str, caller: str) -> bool:
    """Delete a document that a caller keeps; return whether there was one."""
    own = _at(entity_type, entity_id), ml_documents.c.caller == caller
    with database.write() as connection:
        return bool(connection.execute(delete(ml_documents).where(*own)).rowcount)


def of_user(database: Database, user: str) -> list[Document]:
    """Return the documents with one person's data, oldest first.

    Parameters
    ----------
    user : str
        Pseudonym.
    """
    row = ml_documents.c
    query = select(ml_documents).where(row.user_pseudonym == user).order_by(row.created_at, row.entity_id)
    with database.read() as connection:
        return [_document(found) for found in connection.execute(query).mappings()]


def _at(entity_type: str, entity_id: str) -> ColumnElement[bool]:
    return and_(ml_documents.c.entity_type == entity_type, ml_documents.c.entity_id == entity_id)


def _document(row: Mapping[Any, Any]) -> Document:
    return Document(
        row["entity_type"],
        row["entity_id"],
        row["document"],
        row["user_pseudonym"] or "",
        row["caller"] or "",
        row["created_at"],
        row["updated_at"],
    )
