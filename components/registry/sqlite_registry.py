"""Reading where a version lies straight from MLflow's SQLite file.

Importing MLflow and opening its store costs five seconds of processor time, which every server start and every
evaluation would pay for one row. MLflow itself stays the only writer, and the answer where its tables look different; a
test compares the two.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

BY_ALIAS = """
SELECT v.version, v.source FROM registered_model_aliases a JOIN model_versions v
ON v.workspace = a.workspace AND v.name = a.name AND v.version = a.version
WHERE a.workspace = 'default' AND a.name = ? AND a.alias = ?
"""
BY_NUMBER = """
SELECT version, source FROM model_versions
WHERE workspace = 'default' AND name = ? AND version = ? AND current_stage != 'Deleted_Internal'
"""


class UnknownLayout(Exception):
    """The file's tables are not those of the MLflow release that this module knows: ask MLflow."""


@dataclass(frozen=True)
class Located:
    """Number of a version and the address of its artifact."""

    version: str
    uri: str


def locate(database: Path, name: str, reference: str) -> Located | None:
    """Return a version by number or alias, or None.

    Raises
    ------
    UnknownLayout
        If the file cannot be read this way.
    """
    if not database.exists():
        return None
    query, value = (BY_NUMBER, int(reference)) if reference.isdigit() else (BY_ALIAS, reference)
    try:
        with closing(sqlite3.connect(f"{database.as_uri()}?mode=ro", uri=True, timeout=20)) as connection:
            row = connection.execute(query, (name, value)).fetchone()
    except sqlite3.Error as error:
        raise UnknownLayout(str(error)) from error
    return Located(str(row[0]), str(row[1])) if row else None
