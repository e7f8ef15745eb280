"""The report of an experiment that is in the records."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from components.experiments.report import LOOKS, build_report
from inference.gateway.experiments.gathering import gather
from inference.gateway.experiments.observing import materialise
from inference.gateway.experiments.store import design_of, ended_at, status_of

if TYPE_CHECKING:
    from components.records.database import Database


def results(
    database: Database,
    row: Mapping[str, Any],
    *,
    segments: tuple[str, ...] = (),
    now: datetime | None = None,
    looks: int = LOOKS,
) -> dict[str, Any]:
    """Return an experiment's report, with what was decided.

    Parameters
    ----------
    row : mapping
        Of model_experiments.
    segments : tuple of str
        Dimensions to look into; empty for all.
    """
    design, ended = design_of(row), ended_at(row)
    moment = min(now or datetime.now(UTC), ended)
    materialise(database, design, row["id"])
    evidence = gather(database, design, row["id"], ended)
    report = build_report(design, evidence, now=moment, segments=segments, looks=looks)
    report |= {"id": str(row["id"]), "status": status_of(row), "decision": row["decision"]}
    return report
