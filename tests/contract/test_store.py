"""The same contract for both artifact stores: a folder, and a real S3 server (moto) over HTTP."""

from __future__ import annotations

import re
import socket
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from components.errors import ArthaflowError, ArtifactCorrupt, ConfigurationError, UnknownModel
from components.registry.artifact import read_artifact
from components.registry.store import Store, open_store
from components.settings import Settings
from tests.support.s3 import s3_server
from tests.support.tiny import make_tiny_artifact


@pytest.fixture(scope="module")
def artifact(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny_artifact(tmp_path_factory.mktemp("made") / "a").directory


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny_artifact(tmp_path_factory.mktemp("made") / "b", bias=0.5).directory


@pytest.fixture(scope="module")
def s3_endpoint() -> Iterator[str]:
    with s3_server() as url:
        yield url


def s3_settings(endpoint: str, home: Path, store: str = "s3://models/room") -> Settings:
    return Settings(
        home=home, artifact_store=store, s3_endpoint=endpoint, s3_access_key="test-access", s3_secret_key="test-secret"
    )


@pytest.fixture
def s3_config(s3_endpoint: str, tmp_path: Path) -> Settings:
    from minio import Minio

    httpx.post(f"{s3_endpoint}/moto-api/reset")
    client = Minio(s3_endpoint.removeprefix("http://"), "test-access", "test-secret", secure=False, region="us-east-1")
    client.make_bucket("models")
    return s3_settings(s3_endpoint, tmp_path / "home")


@pytest.fixture(params=["folder", "s3"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    if request.param == "folder":
        return open_store(str(tmp_path / "store"), Settings(home=tmp_path))
    return open_store(config=request.getfixturevalue("s3_config"))


def test_what_is_put_comes_back(store: Store, artifact: Path, tmp_path: Path) -> None:
    uri = store.put_directory(artifact, "credit/1")
    assert uri == store.uri("credit/1")
    assert store.key(uri) == "credit/1"
    copy = store.get_directory("credit/1", tmp_path / "copy")
    assert read_artifact(copy).manifest == read_artifact(artifact).manifest
    assert read_artifact(store.local("credit/1")).manifest == read_artifact(artifact).manifest


def test_a_prefix_is_a_folder_not_a_string(store: Store, artifact: Path) -> None:
    for key in ("credit/1", "credit/10", "credits/1"):
        store.put_directory(artifact, key)
    assert store.list("credit/1") == ["credit/1"]
    assert store.list("credit") == ["credit/1", "credit/10"]
    assert store.list() == ["credit/1", "credit/10", "credits/1"]
    assert not store.exists("credit")


def test_an_empty_store_lists_nothing(store: Store) -> None:
    assert store.list() == []
    assert not store.exists("credit/1")


def test_an_unknown_key_is_named(store: Store, tmp_path: Path) -> None:
    with pytest.raises(UnknownModel, match="credit/7"):
        store.get_directory("credit/7", tmp_path / "copy")
    with pytest.raises(UnknownModel, match="credit/7"):
        store.local("credit/7")
    assert not (tmp_path / "copy").exists()


def test_artifacts_are_immutable(store: Store, artifact: Path, other: Path) -> None:
    store.put_directory(artifact, "credit/1")
    assert store.put_directory(artifact, "credit/1") == store.uri("credit/1")
    with pytest.raises(ConfigurationError, match="already holds another artifact"):
        store.put_directory(other, "credit/1")
    assert read_artifact(store.local("credit/1")).manifest == read_artifact(artifact).manifest


def test_writers_at_once_do_not_mix(store: Store, artifact: Path) -> None:
    with ThreadPoolExecutor(4) as pool:
        uris = list(pool.map(lambda _: store.put_directory(artifact, "credit/1"), range(8)))
    assert set(uris) == {store.uri("credit/1")}
    assert store.list() == ["credit/1"]
    read_artifact(store.local("credit/1"))


def test_a_corrupt_artifact_is_not_put(store: Store, artifact: Path, tmp_path: Path) -> None:
    import shutil

    bad = shutil.copytree(artifact, tmp_path / "bad")
    (bad / "golden.json").write_text("{}")
    with pytest.raises(ArtifactCorrupt, match=r"golden\.json"):
        store.put_directory(bad, "credit/1")
    assert store.list() == []


@pytest.mark.parametrize("key", ["", "/", "../x", "a/../b", ".hidden/x", "a//b"])
def test_a_key_cannot_leave_the_store(store: Store, artifact: Path, key: str) -> None:
    with pytest.raises(ConfigurationError):
        store.put_directory(artifact, key)


def test_an_address_of_another_store_is_refused(store: Store) -> None:
    with pytest.raises(ConfigurationError, match="is not in the store"):
        store.key("s3://elsewhere/credit/1")
    with pytest.raises(ConfigurationError, match="is not in the store"):
        store.key("/elsewhere/credit/1")


def test_a_half_uploaded_artifact_is_never_seen(
    s3_config: Settings, artifact: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from components.registry.s3 import S3Store

    store = open_store(config=s3_config)
    upload: Callable[[S3Store, Path, str], None] = S3Store._upload
    done: list[str] = []

    def fail_at_the_end(self: S3Store, path: Path, name: str) -> None:
        if path.name == "manifest.json":
            raise ConnectionResetError("the line went dead")
        done.append(name)
        upload(self, path, name)

    monkeypatch.setattr(S3Store, "_upload", fail_at_the_end)
    with pytest.raises(ConnectionResetError):
        store.put_directory(artifact, "credit/1")
    assert done
    assert not store.exists("credit/1")
    assert store.list() == []


def test_the_cache_heals(s3_config: Settings, artifact: Path) -> None:
    store = open_store(config=s3_config)
    store.put_directory(artifact, "credit/1")
    cached = store.local("credit/1")
    (cached / "schema.json").write_text("truncat")
    assert read_artifact(store.local("credit/1")).manifest == read_artifact(artifact).manifest


def test_an_object_changed_in_the_bucket_is_refused(s3_config: Settings, artifact: Path, tmp_path: Path) -> None:
    import io

    store = open_store(config=s3_config)
    store.put_directory(artifact, "credit/1")
    store.client.put_object("models", "room/credit/1/schema.json", io.BytesIO(b"{}"), 2)  # type: ignore[attr-defined]
    with pytest.raises(ArtifactCorrupt, match=r"schema\.json"):
        store.get_directory("credit/1", tmp_path / "copy")
    assert not (tmp_path / "copy").exists()


def test_a_missing_bucket_is_named(s3_endpoint: str, tmp_path: Path, artifact: Path) -> None:
    store = open_store(config=s3_settings(s3_endpoint, tmp_path, "s3://nowhere/x"))
    with pytest.raises(ConfigurationError, match="no bucket 'nowhere'"):
        store.put_directory(artifact, "credit/1")
    with pytest.raises(ConfigurationError, match="no bucket 'nowhere'"):
        store.list()


def test_an_unreachable_service_is_named(tmp_path: Path) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        endpoint = f"http://127.0.0.1:{probe.getsockname()[1]}"
    with pytest.raises(ConfigurationError, match=re.escape(endpoint.removeprefix("http://"))):
        open_store(config=s3_settings(endpoint, tmp_path)).exists("credit/1")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"s3_endpoint": ""}, "ARTHAFLOW_S3_ENDPOINT"),
        ({"s3_endpoint": "localhost:9000"}, "ARTHAFLOW_S3_ENDPOINT"),
        ({"s3_access_key": "", "s3_secret_key": ""}, "credentials"),
        ({"artifact_store": "s3://"}, "names no bucket"),
        ({"artifact_store": "ftp://x/y"}, "unknown scheme"),
    ],
)
def test_missing_settings_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, changes: dict[str, str], message: str
) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID", raising=False)
    good = {
        "artifact_store": "s3://m/x",
        "s3_endpoint": "http://127.0.0.1:1",
        "s3_access_key": "a",
        "s3_secret_key": "b",
    }
    with pytest.raises(ArthaflowError, match=message):
        open_store(config=Settings(home=tmp_path, **{**good, **changes}))  # type: ignore[arg-type]
