"""The registry on a real MLflow with SQLite: versions, aliases, rollback, the story, and failures."""

from __future__ import annotations

import errno
import shutil
from pathlib import Path
from typing import Any

import pytest

from components.errors import ArtifactCorrupt, ConfigurationError, OutOfSpace, UnknownModel
from components.registry.artifact import read_artifact
from components.registry.lineage import Lineage, git_commit, libraries
from components.registry.sqlite_registry import UnknownLayout, locate
from components.registry.story import story
from components.registry.tracking import record_run
from components.registry.versions import Registry, Version
from components.settings import Settings
from tests.support.tiny import make_tiny_artifact

LINEAGE = Lineage("run-1", "d" * 64, "embedded", "1d", "", "tiny_v1", "f" * 64, "7", "{}").complete()


@pytest.fixture(scope="module")
def artifact(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny_artifact(tmp_path_factory.mktemp("made") / "a").directory


@pytest.fixture(scope="module")
def blank_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """MLflow's empty database, made once: its migrations take seconds."""
    home = tmp_path_factory.mktemp("blank")
    Registry(Settings(home=home)).client.search_experiments()
    return home / "mlflow.db"


@pytest.fixture
def registry(tmp_path: Path, blank_database: Path) -> Registry:
    shutil.copy(blank_database, tmp_path / "mlflow.db")
    return Registry(Settings(home=tmp_path))


def add(registry: Registry, artifact: Path, key: str, alias: str = "candidate") -> Version:
    tags = {**LINEAGE.tags(), "arthaflow.reason": f"sentence of {key}", "arthaflow.verdict": "promoted"}
    return registry.register(
        "tiny", artifact, key=key, tags=tags, params={"alpha": 1.0}, metrics={"rmse": 0.5}, alias=alias
    )


def test_the_first_version_becomes_production_and_the_next_a_candidate(registry: Registry, artifact: Path) -> None:
    first, second = add(registry, artifact, "a"), add(registry, artifact, "b")
    assert (first.version, first.aliases) == ("1", ("production",))
    assert (second.version, second.aliases) == ("2", ("candidate",))
    assert registry.get("tiny").version == "1"
    assert read_artifact(registry.resolve("tiny", "2")).model_name == "tiny"
    assert second.tags["data_hash"] == "d" * 64
    assert second.tags["git_commit"] == git_commit()


def test_promotion_keeps_the_way_back_and_rollback_takes_it(registry: Registry, artifact: Path) -> None:
    add(registry, artifact, "a")
    add(registry, artifact, "b")
    registry.set_alias("tiny", "production", "2")
    assert {v.version: v.aliases for v in registry.versions("tiny")} == {"1": ("previous",), "2": ("production",)}
    assert registry.rollback("tiny", "errors rose to 7 %").version == "1"
    assert {v.version: v.aliases for v in registry.versions("tiny")} == {"1": ("production",), "2": ()}
    assert "errors rose to 7 %" in registry.get("tiny", "2").tags["rolled_back"]
    with pytest.raises(UnknownModel, match="no version 'previous'"):
        registry.rollback("tiny", "again")


def test_a_rejected_candidate_loses_its_alias_and_production_stays(registry: Registry, artifact: Path) -> None:
    add(registry, artifact, "a")
    add(registry, artifact, "b")
    registry.reject("tiny", "2", "p95 doubled")
    assert registry.find("tiny", "candidate") is None
    assert registry.get("tiny").version == "1"
    assert story("tiny", registry.config)["versions"][1]["outcome"].endswith("p95 doubled")


def test_the_short_cut_to_sqlite_answers_as_mlflow_does(registry: Registry, artifact: Path) -> None:
    path = registry.config.root / "mlflow.db"
    assert locate(path, "tiny", "production") is None
    for key in ("a", "b"):
        add(registry, artifact, key)
    for reference in ("production", "candidate", "previous", "1", "2", "3", "latest"):
        slow, fast = registry.find("tiny", reference), locate(path, "tiny", reference)
        assert (fast.version, fast.uri) == (slow.version, slow.uri) if slow and fast else fast is slow is None, (
            reference
        )


def test_other_tables_than_expected_are_left_to_mlflow(
    registry: Registry, artifact: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    add(registry, artifact, "a")
    monkeypatch.setattr("components.registry.sqlite_registry.BY_ALIAS", "SELECT version, source FROM gone WHERE ?=?")
    with pytest.raises(UnknownLayout, match="gone"):
        locate(registry.config.root / "mlflow.db", "tiny", "production")
    assert read_artifact(registry.resolve("tiny")).model_name == "tiny"


def test_promoting_what_is_in_production_changes_nothing(registry: Registry, artifact: Path) -> None:
    add(registry, artifact, "a")
    registry.set_alias("tiny", "production", "1")
    assert registry.get("tiny", "1").aliases == ("production",)


def test_unknown_versions_list_the_known_ones(registry: Registry, artifact: Path) -> None:
    with pytest.raises(UnknownModel, match="Nothing is registered yet"):
        registry.get("tiny")
    add(registry, artifact, "a")
    with pytest.raises(UnknownModel, match=r"no version '9'. Registered: 1 \(production\)"):
        registry.resolve("tiny", "9")
    with pytest.raises(UnknownModel, match="no version '9'"):
        registry.set_alias("tiny", "production", "9")
    assert registry.get("tiny").version == "1"
    with pytest.raises(ConfigurationError, match="'champion' is no alias"):
        registry.set_alias("tiny", "champion", "1")


def test_an_empty_home_answers_without_a_database(tmp_path: Path) -> None:
    config = Settings(home=tmp_path / "none")
    assert story("tiny", config) == {"name": "tiny", "aliases": {}, "versions": [], "refused": [], "failed": []}
    assert not (tmp_path / "none").exists()


def test_the_story_tells_versions_refusals_and_failures(registry: Registry, artifact: Path) -> None:
    add(registry, artifact, "a")
    for verdict, failed in (("refused", False), ("failed", True)):
        record_run(
            "tiny",
            tags={"arthaflow.verdict": verdict, "arthaflow.reason": f"it was {verdict}", "arthaflow.run_id": verdict},
            metrics={"rmse": 2.0, "broken": float("nan")},
            failed=failed,
            client=registry.client,
            config=registry.config,
        )
    told = story("tiny", registry.config)
    (version,) = told["versions"]
    assert version["metrics"] == {"rmse": 0.5}
    assert version["reason"] == "sentence of a"
    assert version["lineage"]["run_id"] == "run-1"
    assert len(version["lineage"]["artifact_sha256"]) == 64
    assert [(r["reason"], r["metrics"]) for r in told["refused"]] == [("it was refused", {"rmse": 2.0})]
    assert [r["run_id"] for r in told["failed"]] == ["failed"]
    assert told["aliases"] == {"production": "1"}


def test_a_corrupt_artifact_is_not_registered(registry: Registry, artifact: Path, tmp_path: Path) -> None:
    bad = shutil.copytree(artifact, tmp_path / "bad")
    (bad / "schema.json").write_text("{}")
    with pytest.raises(ArtifactCorrupt):
        add(registry, bad, "a")
    assert registry.versions("tiny") == []


def test_a_full_disk_registers_nothing(registry: Registry, artifact: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    add(registry, artifact, "a")
    copyfile = shutil.copyfile

    def full(source: Any, target: Any, **options: bool) -> Any:
        if str(getattr(source, "path", source)).endswith("golden.json"):
            raise OSError(errno.ENOSPC, "No space left on device", str(target))
        return copyfile(source, target, **options)

    monkeypatch.setattr(shutil, "copyfile", full)
    with pytest.raises(OutOfSpace, match="nothing was changed"):
        add(registry, artifact, "b")
    assert [v.version for v in registry.versions("tiny")] == ["1"]
    assert sorted(p.name for p in (registry.config.root / "artifacts" / "tiny").iterdir()) == ["a"]


def test_a_full_database_registers_nothing(registry: Registry, artifact: Path) -> None:
    """SQLite itself says that the disk is full when its file may not grow."""
    import sqlalchemy

    add(registry, artifact, "a")
    engine = registry.client._tracking_client.store.engine

    def limit(connection: object, record: object) -> None:
        connection.execute("PRAGMA max_page_count = 1")  # type: ignore[attr-defined]

    sqlalchemy.event.listen(engine, "connect", limit)
    engine.dispose()
    tags = {f"arthaflow.{i}": "x" * 4000 for i in range(200)}
    with pytest.raises(OutOfSpace, match="aliases are as they were"):
        record_run("tiny", tags=tags, client=registry.client, config=registry.config)
    sqlalchemy.event.remove(engine, "connect", limit)
    assert Registry(registry.config).get("tiny").version == "1"


def test_an_unreachable_tracking_server_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    config = Settings(home=tmp_path, tracking_uri="http://127.0.0.1:9")
    with pytest.raises(ConfigurationError, match=r"http://127\.0\.0\.1:9"):
        Registry(config).get("tiny")


def test_lineage_says_which_code_and_libraries(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "numpy==" in libraries()
    git_commit.cache_clear()
    monkeypatch.setenv("ARTHAFLOW_GIT_COMMIT", "abc")
    assert LINEAGE.complete().tags()["arthaflow.git_commit"] == "abc"
    git_commit.cache_clear()
