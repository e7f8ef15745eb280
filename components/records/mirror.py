"""ml_models as a mirror of MLflow's registry, the source of truth: what it says of a version is written again.

Runs where MLflow is installed: in the jobs' worker and in ``arthaflow records sync``, never in the gateway.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, func, select

from components.catalog import catalogue
from components.records.database import Database
from components.records.models import find_model
from components.records.tables import ml_models, ml_predictions, model_deployments
from components.records.upsert import upsert
from components.registry.store import MANIFEST, FolderStore, open_store
from components.registry.story import story
from components.registry.tracking import explained, is_empty
from components.registry.versions import CANDIDATE, PRODUCTION, Registry

TYPES = {"forecast": "time_series", "regression": "regression", "classification": "classification"}
"""Document 1's ``model_type`` by the spec's task; a model of texts is ``nlp``."""


def sync_models(database: Database, registry: Registry | None = None) -> int:
    """Write every registered version into ml_models; repeat it at will.

    Returns
    -------
    int
        How many versions the registry has.

    Raises
    ------
    ConfigurationError
        If MLflow cannot be reached.
    """
    registry = registry or Registry()
    rows = [row for name in registered(registry) for row in described(registry, name)]
    with database.write() as connection:
        for row in rows:
            upsert(connection, ml_models, _kept(connection, row), ("model_name", "model_version"))
    return len(rows)


def registered(registry: Registry) -> list[str]:
    """Return the names of the registered models, sorted."""
    if is_empty(registry.config):
        return []
    names: list[str] = []
    token: str | None = None
    with explained(registry.config):
        while True:
            page = registry.client.search_registered_models(max_results=100, page_token=token)
            names += [model.name for model in page]
            token = page.token
            if not token:
                return sorted(names)


def described(registry: Registry, name: str) -> list[dict[str, Any]]:
    """Return the rows of ml_models of one model's versions, without what only the database knows."""
    told = story(name, registry.config)

    return [_row(registry, name, version, told["aliases"]) for version in told["versions"]]


def _row(registry: Registry, name: str, version: Mapping[str, Any], aliases: Mapping[str, str]) -> dict[str, Any]:
    spec = catalogue().get(name)
    lineage, metrics = version["lineage"], version["metrics"]
    manifest, facts = _artifact(registry, version["uri"])
    first = spec.horizons[0] if spec else ""
    began, ended = _stamp(lineage["run_id"]), _moment(manifest.get("created_at"))
    spent = round((ended - began).total_seconds()) if began and ended and ended >= began else None
    accuracy = metrics.get("accuracy", _first_of(metrics, first, "directional_accuracy"))
    status = _status(version, aliases)
    return {
        "model_name": name,
        "model_version": version["version"],
        "model_type": "nlp" if spec and spec.runtime == "text" else TYPES.get(spec.task if spec else "", "unknown"),
        "model_architecture": _architecture(facts),
        "model_file_path": version["uri"],
        "model_config": facts.get("params") or json.loads(lineage["params"] or "{}"),
        "model_metadata": {
            "lineage": lineage,
            "reason": version["reason"],
            "outcome": version["outcome"],
            "aliases": version["aliases"],
            "trained_until": facts.get("trained_until", ""),
            "owner": spec.owner if spec else "",
        },
        "model_size_bytes": sum(f["size"] for f in manifest["files"].values()) if "files" in manifest else None,
        "training_data_version": lineage["data_hash"][:50] or None,
        "training_start_time": began,
        "training_end_time": ended,
        "training_duration_seconds": spent,
        "validation_accuracy": accuracy,
        "validation_loss": _first_of(metrics, first, spec.gate.metric) if spec else None,
        "test_sharpe_ratio": metrics.get("sharpe_ratio"),
        "test_max_drawdown": metrics.get("max_drawdown"),
        "custom_metrics": metrics,
        "deployment_status": status,
        "status": {"deployed": "active", "retired": "deprecated"}.get(status, "testing"),
        "is_active": status == "deployed",
        "approval_date": _moment(version["created_at"]) if version["reason"].startswith("Promoted") else None,
        "accuracy": accuracy,
        "precision_score": metrics.get("precision"),
        "recall_score": metrics.get("recall"),
        "f1_score": metrics.get("f1_score"),
        "retirement_reason": _why_retired(version, aliases) if status == "retired" else None,
        "created_at": _moment(version["created_at"]),
    }


def _kept(connection: Connection, row: dict[str, Any]) -> dict[str, Any]:
    """Add what the database knows: when it was deployed, how much it served; and keep what a person decided."""
    name, version = row["model_name"], row["model_version"]
    number = find_model(connection, name, version)
    m, d, p = ml_models.c, model_deployments.c, ml_predictions.c
    of_version = (d.model_name == name, d.model_version == version)
    row["deployment_date"] = connection.execute(
        select(func.max(d.deployed_at)).where(*of_version, d.action.in_(("served", "promoted")))
    ).scalar()
    row["served_predictions"], row["avg_inference_time_ms"] = connection.execute(
        select(func.count(), func.avg(p.latency_ms)).where(p.model_name == name, p.model_version == version)
    ).one()
    if number is not None:
        before = connection.execute(
            select(m.approval_date, m.retirement_date, m.retirement_reason, m.model_size_bytes).where(m.id == number)
        ).one()
        row["approval_date"] = before.approval_date or row["approval_date"]
        if row["deployment_status"] == "retired":
            row["retirement_date"] = before.retirement_date or datetime.now(UTC)
            row["retirement_reason"] = before.retirement_reason or row["retirement_reason"]
        else:
            row["retirement_date"] = None
    elif row["deployment_status"] == "retired":
        row["retirement_date"] = datetime.now(UTC)
    return row


def _status(version: Mapping[str, Any], aliases: Mapping[str, str]) -> str:
    if version["version"] == aliases.get(PRODUCTION):
        return "deployed"
    return "validating" if version["version"] == aliases.get(CANDIDATE) else "retired"


def _why_retired(version: Mapping[str, Any], aliases: Mapping[str, str]) -> str:
    if version["outcome"]:
        return f"Rolled back: {version['outcome']}"
    return f"Version {aliases[PRODUCTION]} is in production." if PRODUCTION in aliases else "It has no alias any more."


def _artifact(registry: Registry, uri: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return manifest and metadata of an artifact; empty ones where it is not kept any more."""
    store = open_store(config=registry.config)
    if isinstance(store, FolderStore):
        folder = Path(uri.removeprefix("file://"))
    elif store.exists(store.key(uri)):
        folder = store.local(store.key(uri))
    else:
        return {}, {}
    return _json(folder / MANIFEST), _json(folder / "metadata.json")


def _json(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    return found


def _architecture(facts: Mapping[str, Any]) -> str | None:
    """Return ``ensemble`` for a blend of several members, the name of the only one, or None."""
    weights = facts.get("weights") or {}
    used = [name for name, shares in weights.items() if any(shares if isinstance(shares, list) else [shares])]
    return "ensemble" if len(used) > 1 else (used[0] if used else None)


def _first_of(metrics: Mapping[str, float], horizon: str, name: str) -> float | None:
    return metrics.get(f"{horizon}_{name}", metrics.get(name))


def _stamp(run_id: str) -> datetime | None:
    """Return when a local run began, which its id tells; a cluster's does not."""
    found = re.match(r"\d{8}T\d{6}", run_id)
    return datetime.strptime(found[0], "%Y%m%dT%H%M%S").replace(tzinfo=UTC) if found else None


def _moment(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None
