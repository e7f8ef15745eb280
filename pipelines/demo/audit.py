"""What the demo makes of its own audit trail: everything that was answered is in it, and nothing of it was changed."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from components.errors import ArthaflowError
from components.settings import Settings

LONGEST_S = 60.0


class TrailBroken(ArthaflowError):
    """An answer is missing in the prediction log, or the log was changed."""


@dataclass
class AuditTrail:
    """What the prediction log says about a run.

    Attributes
    ----------
    predictions, entries : int
        Logged predictions, and entries of the hash chain.
    served : list of str
        One sentence per version that answered today, with why it was served.
    """

    predictions: int
    entries: int
    served: list[str] = field(default_factory=list)

    @property
    def sentence(self) -> str:
        """For the summary."""
        return f"{self.predictions:,} predictions in a chain of {self.entries:,} entries, all sound."


def check_trail(home: Path, model: str, answered: int) -> AuditTrail:
    """Wait until the log holds what was answered, and verify it.

    Parameters
    ----------
    home : Path
        Of the run.
    model : str
        Whose versions are told.
    answered : int
        Answers that clients were given, at least.

    Raises
    ------
    TrailBroken
        If one is missing, or the chain does not hold.
    """
    from sqlalchemy import func, select

    from components.records.database import open_database
    from components.records.deployments import served_on
    from components.records.keys import audit_key
    from components.records.tables import ml_predictions
    from components.records.verification import verify

    config = Settings(home=home)
    database = open_database(config)
    try:
        deadline = time.monotonic() + LONGEST_S
        while True:
            with database.read() as connection:
                found = int(connection.execute(select(func.count()).select_from(ml_predictions)).scalar_one())
            if found >= answered or time.monotonic() > deadline:
                break
            time.sleep(0.2)
        if found < answered:
            raise TrailBroken(f"{answered} answers were given, and {found} are in the prediction log.")
        verdict = verify(database, audit_key(config))
        if not verdict.ok:
            raise TrailBroken(f"The prediction log fails at entry {verdict.bad_seq}: {verdict.problem}.")
        told = [
            f"version {s.version} answered {s.predictions:,} times: {s.reason or s.gate or 'as it was deployed'}"
            for s in served_on(database, model, datetime.now(UTC).date())
            if s.predictions
        ]
        return AuditTrail(verdict.predictions, verdict.entries, told)
    finally:
        database.close()
