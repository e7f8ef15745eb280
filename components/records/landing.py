"""A batch of journal records becomes rows, chain entries and the journal's new position: all in one transaction."""

from __future__ import annotations

import logging
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

import orjson
from sqlalchemy import Connection, Table, delete, insert, select, update
from sqlalchemy.exc import DataError, IntegrityError, StatementError

from components.records import chain
from components.records.database import Database
from components.records.erased import Erased
from components.records.framing import Found
from components.records.journal import Position
from components.records.models import ensure_model
from components.records.quarantine import Quarantine
from components.records.rows import PREDICTIONS, REQUESTS, Row, prediction_row, serving_row
from components.records.segments import Batch
from components.records.tables import audit_chain, journal_positions

log = logging.getLogger(__name__)
_BAD = (KeyError, TypeError, ValueError, AttributeError, OverflowError, RecursionError)


class PositionMoved(RuntimeError):
    """Somebody else has carried this journal on meanwhile."""


@dataclass
class _Rows:
    predictions: list[tuple[Found, Row]] = field(default_factory=list)
    requests: list[tuple[Found, Row]] = field(default_factory=list)


class Landing:
    """Where batches land.

    Parameters
    ----------
    database : Database
    key : bytes
        Of the hash chain.
    """

    def __init__(self, database: Database, key: bytes) -> None:
        self.database, self.key = database, key
        self._erased = Erased(key)
        self._models: dict[tuple[str, str], uuid.UUID] = {}
        self._last: chain.Head | None = None

    def position(self, writer: str, default: Position) -> Position:
        """Return up to where a writer's journal is in the database."""
        table = journal_positions.c
        query = select(table.segment, table.position).where(table.writer == writer)
        with self.database.read() as connection:
            row = connection.execute(query).first()
        return max(Position(*row), default) if row is not None else default

    def land(self, batch: Batch, quarantine: Quarantine, writer: str) -> chain.Head:
        """Commit a batch.

        Returns
        -------
        Head
            The chain's last entry.

        Raises
        ------
        RecordsUnavailable
            If the database is away; the same batch can be landed later.
        PositionMoved
            If another process has landed it.
        AnotherAuditKey
            If the chain was written with another key.
        """
        rows = self._parse(batch.records, quarantine)
        with self.database.write() as connection:
            chain.lock(connection)
            _advance(connection, writer, batch)
            last = chain.head(connection)
            if last != self._last:
                last = chain.own_head(connection, self.key)
            self._erased.refresh(connection, last)
            kept = self._insert(connection, PREDICTIONS, rows.predictions, last.seq, quarantine)
            self._insert(connection, REQUESTS, rows.requests, None, quarantine)
            entries, last = chain.extend(self.key, last, [*map(_link, kept), *self._erased.links(kept)])
            if entries:
                connection.execute(insert(audit_chain), entries)
        self._last = last
        return last

    def forget(self, writer: str) -> None:
        """Forget the position of a writer whose journal is gone."""
        with self.database.write() as connection:
            connection.execute(delete(journal_positions).where(journal_positions.c.writer == writer))

    def _parse(self, records: Sequence[Found], quarantine: Quarantine) -> _Rows:
        rows = _Rows()
        for record in records:
            try:
                told = orjson.loads(record.body)
                if record.kind == b"P":
                    rows.predictions.append((record, prediction_row(told, self._find)))
                elif record.kind == b"S":
                    rows.requests.append((record, serving_row(told, self._find)))
                else:
                    quarantine.record(repr(record.kind), record.body, "of a kind that this release does not know")
            except _BAD as error:
                quarantine.record(record.kind.decode(), record.body, f"{type(error).__name__}: {error}")
        return rows

    def _insert(
        self,
        connection: Connection,
        table: Table,
        rows: list[tuple[Found, Row]],
        after: int | None,
        quarantine: Quarantine,
    ) -> list[Row]:
        """Insert rows, all at once where they all can be; return those that are in.

        Parameters
        ----------
        after : int or None
            The chain's last number; the rows get the next ones. None for rows that are not chained.
        """
        if not rows:
            return []
        try:
            return self._insert_all(connection, table, [row for _, row in rows], after)
        except (DataError, IntegrityError, StatementError, *_BAD) as error:
            if not _poison(error):
                raise
        kept: list[Row] = []
        for record, row in rows:
            try:
                kept += self._insert_all(connection, table, [row], None if after is None else after + len(kept))
            except (DataError, IntegrityError, StatementError, *_BAD) as error:
                if not _poison(error):
                    raise
                quarantine.record(record.kind.decode(), record.body, _first_line(error))
        return kept

    def _insert_all(self, connection: Connection, table: Table, rows: list[Row], after: int | None) -> list[Row]:
        if after is not None:
            for number, row in enumerate(rows, after + 1):
                row["chain_seq"] = number
        strip = self._erased.strip_request if after is None else self._erased.strip
        with connection.begin_nested():
            connection.execute(insert(table), [strip(row) for row in rows])
        return rows

    def _find(self, model: str, version: str) -> uuid.UUID | None:
        """Return the row of a version that answered; one that the registry's mirror has not yet is made."""
        if not model or not version:
            return None
        found = self._models.get((model, version))
        if found is None:
            with self.database.write() as connection:
                found = self._models[model, version] = ensure_model(connection, model, version)
        return found


def _advance(connection: Connection, writer: str, batch: Batch) -> None:
    """Move the journal's position from the batch's start to its end, or find that somebody has."""
    table = journal_positions
    values = {"segment": batch.end.segment, "position": batch.end.offset, "updated_at": datetime.now(UTC)}
    query = select(table.c.segment, table.c.position).where(table.c.writer == writer)
    row = connection.execute(query).first()
    if row is None:
        connection.execute(insert(table).values(writer=writer, **values))
        return
    if Position(*row) > batch.start:
        raise PositionMoved(writer)
    connection.execute(update(table).where(table.c.writer == writer).values(**values))


def _link(row: Row) -> chain.Link:
    return chain.Link(chain.PREDICTION, row["created_at"], row["prediction_id"], row["payload_digest"])


def _poison(error: Exception) -> bool:
    """Return whether it is the record's fault, not the database's."""
    if isinstance(error, DataError | IntegrityError):
        return True
    if isinstance(error, StatementError):
        return isinstance(error.orig, _BAD) or type(error) is StatementError
    return True


def _first_line(error: Exception) -> str:
    return str(getattr(error, "orig", error)).split("\n")[0]
