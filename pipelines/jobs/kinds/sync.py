"""The worker's own job: the records brought up to the registry and to the feature definitions."""

from __future__ import annotations

from typing import Any

from pipelines.jobs.context import JobContext


def bring_up(context: JobContext) -> dict[str, Any]:
    """Write the features; the versions follow after every job that may have changed them, and after this one."""
    return {"features": sync_all_features(context)}


def sync_all_features(context: JobContext) -> int:
    """Write what is known of every feature into ml_features; return how many there are."""
    from components.records.database import open_database
    from components.records.feature_mirror import sync_features
    from pipelines.jobs.feature_catalogue import feature_facts

    facts = feature_facts(context.home)
    database = open_database()
    try:
        return sync_features(database, facts)
    finally:
        database.close()
