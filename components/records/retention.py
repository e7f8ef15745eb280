"""How long records are kept: document 0's policy, and the deletion that follows it."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict
from sqlalchemy import Connection, delete, func, select

from components.records import chain
from components.records import outcomes as reports
from components.records.chain import Head
from components.records.checkpoints import write_checkpoint
from components.records.database import Database
from components.records.tables import audit_chain, ml_predictions, ml_training_jobs, model_serving_logs, outcomes

STEP = 10_000
"""Rows, or entries of the chain, that one transaction deletes."""
_UNFINISHED = ("queued", "running")


class RetentionPolicy(BaseSettings):
    """How long each kind of record is kept, from ``ARTHAFLOW_RETENTION_*``.

    Attributes
    ----------
    predictions_days, access_days, training_days : int
        Document 0: prediction logs 5 years, access logs 2 years, training logs 1 year; leap days included.
    """

    model_config = SettingsConfigDict(env_prefix="ARTHAFLOW_RETENTION_", extra="ignore")

    predictions_days: int = Field(default=1827, gt=0)
    access_days: int = Field(default=731, gt=0)
    training_days: int = Field(default=366, gt=0)


@dataclass
class Retained:
    """What was, or in a dry run would be, deleted.

    Attributes
    ----------
    predictions, outcomes, chain_entries, requests, training_jobs, quarantine_files : int
    through : int
        The last entry of the chain that is deleted; 0 for none.
    dry_run : bool
    """

    dry_run: bool
    predictions: int = 0
    outcomes: int = 0
    chain_entries: int = 0
    requests: int = 0
    training_jobs: int = 0
    quarantine_files: int = 0
    through: int = 0

    def told(self) -> dict[str, Any]:
        """Return it as JSON."""
        return asdict(self)


def retain(
    database: Database,
    key: bytes,
    policy: RetentionPolicy | None = None,
    *,
    now: datetime | None = None,
    dry_run: bool = False,
    journals: Path | None = None,
) -> Retained:
    """Delete what is older than the policy keeps.

    Of the chain the oldest part goes, up to the first entry that is younger; a checkpoint says where it begins then.

    Parameters
    ----------
    database : Database
    key : bytes
        The audit key.
    policy : RetentionPolicy, optional
    now : datetime, optional
        UTC.
    dry_run : bool
        Count only.
    journals : Path, optional
        Folder whose quarantine is kept as long as predictions are.
    """
    policy, now = policy or RetentionPolicy(), now or datetime.now(UTC)
    report = Retained(dry_run)
    _chain(database, key, now - timedelta(days=policy.predictions_days), report)
    # Outcomes whose predictions never came: nothing else takes them away.
    waited = outcomes.c.created_at < now - timedelta(days=policy.predictions_days)
    report.outcomes += _swept(database, outcomes, [outcomes.c.status == "orphan", waited], dry_run)
    asked = model_serving_logs.c.timestamp < now - timedelta(days=policy.access_days)
    report.requests = _swept(database, model_serving_logs, [asked], dry_run)
    job = ml_training_jobs.c
    old = func.coalesce(job.completed_at, job.created_at) < now - timedelta(days=policy.training_days)
    report.training_jobs = _swept(database, ml_training_jobs, [old, job.status.not_in(_UNFINISHED)], dry_run)
    if journals is not None:
        report.quarantine_files = _files(
            journals / "quarantine", now - timedelta(days=policy.predictions_days), dry_run
        )
    return report


def _chain(database: Database, key: bytes, before: datetime, report: Retained) -> None:
    through = _last_old(database, before)
    while True:
        with _connection(database, report.dry_run) as connection:
            if not report.dry_run:
                chain.lock(connection)
                reports.lock(connection)
            first = connection.execute(select(func.min(audit_chain.c.seq))).scalar()
            if first is None or first > through:
                return
            end = through if report.dry_run else min(first + STEP - 1, through)
            _step(connection, key, end, before, report)
        if report.dry_run:
            return


def _last_old(database: Database, before: datetime) -> int:
    """Return the last entry of the chain's old part, or 0."""
    entry = audit_chain.c
    with database.read() as connection:
        young = connection.execute(select(func.min(entry.seq)).where(entry.at >= before)).scalar()
        return int(young) - 1 if young is not None else chain.head(connection).seq


def _step(connection: Connection, key: bytes, end: int, before: datetime, report: Retained) -> None:
    old = select(ml_predictions.c.prediction_id).where(ml_predictions.c.chain_seq <= end)
    last = connection.execute(select(audit_chain.c.hash).where(audit_chain.c.seq == end)).scalar_one()
    dry = report.dry_run
    report.outcomes += _gone(connection, outcomes, [outcomes.c.prediction_id.in_(old)], dry)
    gone = _gone(connection, ml_predictions, [ml_predictions.c.chain_seq <= end], dry)
    entries = _gone(connection, audit_chain, [audit_chain.c.seq <= end], dry)
    report.predictions += gone
    report.chain_entries += entries
    report.through = end
    if not dry:
        told = {"older_than": before.isoformat(timespec="seconds"), "predictions": gone, "entries": entries}
        write_checkpoint(connection, key, Head(end, last), told)


def _connection(database: Database, dry_run: bool) -> Any:
    return database.read() if dry_run else database.write()


def _gone(connection: Connection, table: Any, where: list[Any], dry_run: bool) -> int:
    if dry_run:
        return int(connection.execute(select(func.count()).select_from(table).where(*where)).scalar_one())
    return int(connection.execute(delete(table).where(*where)).rowcount)


def _swept(database: Database, table: Any, where: list[Any], dry_run: bool) -> int:
    """Delete rows in steps, so that nobody else waits long; return how many."""
    if dry_run:
        with database.read() as connection:
            return _gone(connection, table, where, dry_run)
    swept = 0
    while True:
        with database.write() as connection:
            gone = _gone(connection, table, [table.c.id.in_(select(table.c.id).where(*where).limit(STEP))], dry_run)
        swept += gone
        if gone < STEP:
            return swept


def _files(folder: Path, before: datetime, dry_run: bool) -> int:
    old = [path for path in folder.glob("*.jsonl") if path.stat().st_mtime < before.timestamp()]
    for path in () if dry_run else old:
        path.unlink()
    return len(old)
