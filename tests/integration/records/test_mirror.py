"""ml_models as MLflow's registry tells it: a real MLflow with real artifacts of the tiny model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, update

from components.records.database import Database, open_database
from components.records.deployments import record_deployment
from components.records.mirror import sync_models
from components.records.tables import ml_models
from components.registry.lineage import Lineage
from components.registry.versions import Registry
from components.settings import Settings
from tests.support.rows import predict
from tests.support.tiny import make_tiny_artifact, test_rooms

RUN = "20261121T101500-ab12"


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Registry:
    """Three versions: one that was replaced, one in production, one that waits; their databases are made once."""
    home = tmp_path_factory.mktemp("home")
    found = Registry(Settings(home=home))
    artifact = make_tiny_artifact(home / "made").directory
    for number in range(3):
        origin = Lineage(RUN, "d" * 64, "embedded", "1d", "", "tiny_v1", "f" * 64, "7", '{"alpha": 2}')
        tags = {**origin.tags(), "arthaflow.reason": f"Promoted: {number}.", "arthaflow.verdict": "promoted"}
        metrics = {"rmse": 0.5, "directional_accuracy": 0.6, "sharpe_ratio": 1.25, "f1_score": 0.7}
        found.register("tiny", artifact, key=f"k{number}", tags=tags, params={}, metrics=metrics)
        if number == 1:
            found.set_alias("tiny", "production", "2")
    return found


@pytest.fixture
def records(tmp_path: Path, registry: Registry) -> Database:
    return open_database(Settings(home=tmp_path))


def mirrored(records: Database, registry: Registry) -> dict[str, dict[str, Any]]:
    with test_rooms():
        assert sync_models(records, registry) == 3
    with records.read() as connection:
        rows = connection.execute(select(ml_models)).mappings()
        return {row["model_version"]: dict(row) for row in rows}


def test_versions_stand_with_what_the_registry_knows(records: Database, registry: Registry) -> None:
    found = mirrored(records, registry)
    assert {v: (r["deployment_status"], r["status"], r["is_active"]) for v, r in found.items()} == {
        "1": ("retired", "deprecated", False),
        "2": ("deployed", "active", True),
        "3": ("validating", "testing", False),
    }
    row = found["2"]
    assert row["model_type"] == "time_series"
    assert row["model_metadata"]["lineage"]["data_hash"] == "d" * 64
    assert row["model_metadata"]["reason"] == "Promoted: 1."
    assert (row["validation_accuracy"], row["accuracy"], row["test_sharpe_ratio"]) == (0.6, 0.6, 1.25)
    assert (row["precision_score"], row["f1_score"], row["test_max_drawdown"]) == (None, 0.7, None)
    assert Path(row["model_file_path"]).is_dir()
    assert row["model_size_bytes"] > 1000
    assert row["training_start_time"].isoformat() == "2026-11-21T10:15:00+00:00"
    assert found["1"]["retirement_reason"] == "Version 2 is in production."
    assert found["1"]["retirement_date"] is not None
    assert found["3"]["retirement_reason"] is None


def test_again_changes_nothing_but_keeps_what_only_the_records_know(records: Database, registry: Registry) -> None:
    before = mirrored(records, registry)
    record_deployment(records, "tiny", "2", "local", "somebody", "because")
    predict(records, model_version="2", latency_ms=4.0)
    with records.write() as connection:
        changed = {"created_by": "maker", "approved_by": "approver", "retirement_reason": "too slow"}
        connection.execute(update(ml_models).values(**changed))
    after = mirrored(records, registry)
    assert {v: r["id"] for v, r in after.items()} == {v: r["id"] for v, r in before.items()}
    assert (after["2"]["created_by"], after["2"]["approved_by"]) == ("maker", "approver")
    assert (after["2"]["served_predictions"], after["2"]["avg_inference_time_ms"]) == (1, 4.0)
    assert after["2"]["deployment_date"] is not None
    assert after["2"]["retirement_reason"] is None
    assert after["1"]["retirement_reason"] == "too slow"
    assert after["1"]["retirement_date"] == before["1"]["retirement_date"]


def test_a_row_that_was_made_for_a_reference_is_filled_in(records: Database, registry: Registry) -> None:
    predict(records, model_version="1")
    with records.read() as connection:
        number = connection.execute(select(ml_models.c.id)).scalar()
    found = mirrored(records, registry)
    assert (found["1"]["id"], found["1"]["model_type"]) == (number, "time_series")
