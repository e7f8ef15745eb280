"""The story of a model: every version and refusal, when, on which data, how good, and what came of it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from components.registry.lineage import PREFIX
from components.registry.tracking import explained, is_empty
from components.registry.versions import Registry
from components.settings import Settings

LINEAGE = (
    "run_id", "data_hash", "source", "bar", "until", "feature_service", "feature_hash", "git_commit", "seed", "params",
    "libraries", "artifact_sha256",
)  # fmt: skip


def story(name: str, config: Settings | None = None) -> dict[str, Any]:
    """Return everything that `arthaflow models show` prints about one model.

    Returns
    -------
    dict
        ``name``; ``aliases`` (alias to version number); ``versions``, oldest first, each with ``version``,
        ``created_at``, ``aliases``, ``uri``, ``lineage``, ``metrics``, ``reason`` (the gate's sentence) and ``outcome``
        (why it was rolled back, empty otherwise); ``refused`` and ``failed`` runs, each with ``created_at``,
        ``run_id``, ``reason`` and ``metrics``. Empty lists for a model that was never trained.
    """
    registry = Registry(config)
    versions = registry.versions(name)
    runs = {} if is_empty(registry.config) else _runs(registry, name)
    return {
        "name": name,
        "aliases": {alias: v.version for v in versions for alias in v.aliases},
        "versions": [
            {
                "version": v.version,
                "created_at": v.created_at,
                "aliases": list(v.aliases),
                "uri": v.uri,
                "lineage": {k: v.tags.get(k, "") for k in LINEAGE},
                "metrics": runs[v.run_id]["metrics"] if v.run_id in runs else {},
                "reason": v.tags.get("reason", ""),
                "outcome": v.tags.get("rolled_back", ""),
            }
            for v in versions
        ],
        "refused": [r for r in runs.values() if r["verdict"] == "refused"],
        "failed": [r for r in runs.values() if r["verdict"] == "failed"],
    }


def _runs(registry: Registry, name: str) -> dict[str, dict[str, Any]]:
    with explained(registry.config):
        experiment = registry.client.get_experiment_by_name(name)
        if experiment is None:
            return {}
        rows = registry.client.search_runs(
            [experiment.experiment_id], order_by=["attributes.start_time ASC"], max_results=1000
        )
    return {
        row.info.run_id: {
            "created_at": datetime.fromtimestamp(row.info.start_time / 1000, UTC).isoformat(timespec="seconds"),
            "run_id": row.data.tags.get(f"{PREFIX}run_id", ""),
            "verdict": row.data.tags.get(f"{PREFIX}verdict", ""),
            "reason": row.data.tags.get(f"{PREFIX}reason", ""),
            "metrics": dict(row.data.metrics),
        }
        for row in rows
    }
