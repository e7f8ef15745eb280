"""The database of the product's records: SQLite in ``home``, or PostgreSQL, behind the same few verbs."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, inspect, text
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from components.errors import ArthaflowError, ConfigurationError
from components.records.json_text import dumps, loads
from components.records.migrations import HEAD
from components.settings import Settings, settings

BUSY_MS = 30_000
"""How long a writer waits for another process's transaction on SQLite."""
_MIGRATION_LOCK = 0x617274686166  # any number, the same in every process
_AWAY = {
    sqlite3.SQLITE_BUSY,
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_READONLY,
}


class RecordsUnavailable(ArthaflowError):
    """The database of the records does not answer now."""

    status = 503
    retry_after_s = 5.0


class Database:
    """The product's records.

    Parameters
    ----------
    url : str
        ``sqlite:////path/records.db`` or ``postgresql+psycopg://user@host/name``.
    pool_size : int
        Connections kept open; as many again may be opened for a while.

    Raises
    ------
    ConfigurationError
        If the URL names no database that is known here.
    """

    def __init__(self, url: str, pool_size: int = 5) -> None:
        self.url = _url(url)
        self.dialect = self.url.get_backend_name()
        self.engine = _engine(self.url, pool_size)

    @property
    def name(self) -> str:
        """The URL without its password."""
        return self.url.render_as_string(hide_password=True)

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """Yield a connection in one transaction, committed at the end; SQLite's holds the write lock from the start.

        Raises
        ------
        RecordsUnavailable
            If the database is away, locked for too long, or cannot be written to.
        """
        with (
            self._told(),
            self.engine.connect().execution_options(arthaflow_write=True) as connection,
            connection.begin(),
        ):
            yield connection

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """Yield a connection whose reads all see one state of SQLite's file, or what PostgreSQL has committed.

        Raises
        ------
        RecordsUnavailable
            If the database is away.
        """
        with self._told(), self.engine.connect() as connection, connection.begin():
            yield connection

    def ping(self) -> None:
        """Return when the database answers.

        Raises
        ------
        RecordsUnavailable
            If it does not.
        """
        with self.read() as connection:
            connection.execute(text("SELECT 1"))

    def revision(self) -> str:
        """Return the revision of the schema that is there; empty for an empty database."""
        with self.read() as connection:
            return revision_of(connection)

    def migrate(self) -> None:
        """Bring the schema to this code's; safe when several processes start at once.

        Raises
        ------
        ConfigurationError
            If the database cannot be reached, or its schema is newer than this code.
        """
        try:
            if self.revision() != HEAD:
                self._upgrade()
        except RecordsUnavailable as error:
            cause = error.__cause__
            raise ConfigurationError(
                f"The records' database {self.name} cannot be opened: {_first_line(cause)}.",
                "Start it, or correct ARTHAFLOW_DATABASE_URL (empty: SQLite in ARTHAFLOW_HOME).",
            ) from cause

    def _upgrade(self) -> None:
        from components.records.migrations.run import upgrade

        with self.write() as connection:
            if self.dialect == "postgresql":
                connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _MIGRATION_LOCK})
            upgrade(connection, self.name)

    def close(self) -> None:
        """Close every connection."""
        self.engine.dispose()

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except PoolTimeout as error:
            raise RecordsUnavailable("Every connection to the records' database is taken.") from error
        except DBAPIError as error:
            if not _is_away(error):
                raise
            raise RecordsUnavailable(f"The records' database does not answer: {_first_line(error)}.") from error


def open_database(config: Settings | None = None) -> Database:
    """Return the database of this process's settings, migrated.

    Raises
    ------
    ConfigurationError
        If it cannot be opened, or its schema is newer than this code.
    """
    database = Database((config or settings()).records_uri)
    try:
        database.migrate()
    except ArthaflowError:
        database.close()
        raise
    return database


def revision_of(connection: Connection) -> str:
    """Return the revision of the schema on a connection; empty for an empty database."""
    if not inspect(connection).has_table("alembic_version"):
        return ""
    return connection.execute(text("SELECT version_num FROM alembic_version")).scalar() or ""


def _url(url: str) -> URL:
    try:
        found = make_url(url)
        found.get_dialect()
    except (ArgumentError, NoSuchModuleError) as error:
        known = "Use sqlite:////path/records.db or postgresql+psycopg://user@host/name."
        raise ConfigurationError("ARTHAFLOW_DATABASE_URL names no database that is known here.", known) from error
    if found.get_backend_name() not in ("sqlite", "postgresql"):
        raise ConfigurationError(
            f"The records cannot be kept in {found.get_backend_name()}.",
            "Use SQLite or PostgreSQL (postgresql+psycopg://).",
        )
    return found.set(drivername="postgresql+psycopg") if found.drivername in ("postgresql", "postgres") else found


def _engine(url: URL, pool_size: int) -> Engine:
    # Parameters are people's data, which no message and no log may quote.
    shared: dict[str, Any] = {
        "json_serializer": dumps,
        "json_deserializer": loads,
        "pool_size": pool_size,
        "hide_parameters": True,
    }
    if url.get_backend_name() == "postgresql":
        connect = {"options": "-c timezone=UTC", "connect_timeout": 10, "application_name": "arthaflow"}
        return create_engine(
            url, pool_pre_ping=True, native_inet_types=False, max_overflow=pool_size, connect_args=connect, **shared
        )
    if url.database:
        Path(url.database).parent.mkdir(parents=True, exist_ok=True)
    engine = create_engine(url, max_overflow=pool_size, connect_args={"timeout": BUSY_MS / 1000}, **shared)
    event.listen(engine, "connect", _prepare_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def _prepare_sqlite(connection: sqlite3.Connection, _record: Any) -> None:
    connection.isolation_level = None  # the driver would begin a transaction at the first write only
    for pragma in (f"busy_timeout={BUSY_MS}", "journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
        connection.execute(f"PRAGMA {pragma}")


def _begin_sqlite(connection: Connection) -> None:
    writes = connection.get_execution_options().get("arthaflow_write", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _is_away(error: DBAPIError) -> bool:
    code = getattr(error.orig, "sqlite_errorcode", None)
    if code is not None:
        return code & 0xFF in _AWAY
    return error.connection_invalidated or isinstance(error, OperationalError)


def _first_line(error: BaseException | None) -> str:
    original = getattr(error, "orig", error)
    return str(original).strip().split("\n")[0].rstrip(".")
