"""The evidence as it really comes: assigned in memory, written by the prediction log, carried into the database by its child."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import select, update

from components.records.database import open_database
from components.records.log import PredictionEntry, PredictionLog
from components.records.pseudonym import pseudonym
from components.records.tables import experiment_assignments, ml_predictions
from components.settings import Settings, settings
from inference.gateway.experiments.assigner import Assigner
from inference.gateway.experiments.payloads import ExperimentRequest
from inference.gateway.experiments.results import results
from inference.gateway.experiments.store import create, find


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Settings]:
    monkeypatch.setenv("ARTHAFLOW_HOME", str(tmp_path))
    settings.cache_clear()
    yield settings()
    settings.cache_clear()


def entry(user: str, assigner: Assigner, version: str = "") -> PredictionEntry:
    hashed = pseudonym(user, "user")
    given = assigner.assign("tiny", hashed)
    assert given is not None
    return PredictionEntry(
        prediction_id=f"{user}-{version or given.version}", model="tiny", version=version or given.version, route="/x", inputs={},
        output={"price": 1.0}, value=1.0, confidence=None, latency_ms=2.0, caller=pseudonym("app"), user=hashed,
        entity_type="user", entity_id=hashed, horizon="", trace_id="", request_id=user, at=datetime.now(UTC),
        track=given.track, experiment=given.experiment, variant=given.variant,
    )  # fmt: skip


def test_the_log_is_the_record_of_who_saw_what(config: Settings, tmp_path: Path) -> None:
    database = open_database(config)
    variants = {
        "control": {"model_version": "v1", "traffic_split": 0.5},
        "treatment": {"model_version": "v2", "traffic_split": 0.5},
    }
    asked = ExperimentRequest(experiment_id="tiny_2", model="tiny", success_metrics=["latency_ms"], variants=variants)  # type: ignore[arg-type]
    create(database, asked, "tester")
    assigner = Assigner(database)
    assigner.refresh()

    async def serve() -> None:
        log = PredictionLog(tmp_path / "journal", config)
        await log.start()
        for i in range(60):
            made = entry(f"u{i}", assigner)
            # The versions that answer call themselves "1" and "2"; the experiment's payload said v1 and v2.
            await log.write(PredictionEntry(**{**vars_of(made), "version": made.version.removeprefix("v")}))
        wrong = entry("lost", assigner, version="7")
        await log.write(wrong, durable=True)
        await log.close()

    asyncio.run(serve())
    report = results(database, find(database, "tiny_2"))
    assert sum(report["users"].values()) == 61
    assert report["left_out"] == {"misrouted": 1, "users_with_misrouted_answers_only": 1}
    assert report["metrics"][0]["observations"] == 60
    with database.read() as connection:
        assigned = connection.execute(select(experiment_assignments.c.user_pseudonym)).scalars().all()
    assert sorted(assigned) == sorted(pseudonym(u, "user") for u in [*(f"u{i}" for i in range(60)), "lost"])

    with database.write() as connection:
        person = ml_predictions.c.user_pseudonym == pseudonym("u0", "user")
        connection.execute(
            update(ml_predictions).where(person).values(erased_at=datetime.now(UTC), user_pseudonym=None)
        )
    assert sum(results(database, find(database, "tiny_2"))["users"].values()) == 60, "who was erased is nobody's answer"
    database.close()


def vars_of(made: PredictionEntry) -> dict[str, object]:
    return {name: getattr(made, name) for name in type(made).__dataclass_fields__}
