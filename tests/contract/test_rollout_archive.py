"""Both archives of rollout histories, a folder and an S3 bucket, held to one contract."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from pydantic import SecretStr

from components.errors import ConfigurationError
from components.rollout.archive import Archive, FolderArchive, S3Archive, open_archive
from components.settings import Settings
from tests.support.s3 import s3_server


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    with s3_server() as url:
        yield url


def in_bucket(endpoint: str, home: Path, bucket: str) -> Settings:
    keys = {"s3_access_key": SecretStr("access"), "s3_secret_key": SecretStr("secret")}
    return Settings(home=home, artifact_store=f"s3://{bucket}/artifacts", s3_endpoint=endpoint, **keys)


@pytest.fixture(params=["folder", "bucket"])
def archive(request: pytest.FixtureRequest, endpoint: str, tmp_path: Path) -> Archive:
    if request.param == "folder":
        return open_archive(Settings(home=tmp_path))
    httpx.post(f"{endpoint}/moto-api/reset").raise_for_status()
    httpx.put(f"{endpoint}/histories").raise_for_status()
    return open_archive(in_bucket(endpoint, tmp_path, "histories"))


def test_each_store_has_its_archive(endpoint: str, tmp_path: Path) -> None:
    assert isinstance(open_archive(Settings(home=tmp_path)), FolderArchive)
    assert isinstance(open_archive(in_bucket(endpoint, tmp_path, "histories")), S3Archive)


def test_events_come_back_in_order_and_once(archive: Archive) -> None:
    key = "price_forecast/2-run"
    events = [{"event": f"e{n}", "time": float(n)} for n in range(12)]
    for number, event in enumerate(events):
        archive.append(key, number, event)
        archive.append(key, number, event)  # a step that is tried again writes what it wrote
    assert archive.read(key) == events


def test_histories_are_listed_by_model_and_no_name_is_taken_for_a_longer_one(archive: Archive) -> None:
    for key in ("price/2-b", "price/2-a", "price_forecast/2-a", "price/20-a"):
        archive.append(key, 0, {"event": key})
    assert archive.keys("price") == ["price/2-a", "price/2-b", "price/20-a"]
    assert archive.read("price/2-a") == [{"event": "price/2-a"}]
    assert archive.keys("other") == []
    assert archive.read("price/9-z") == []


def test_a_bucket_that_is_not_there_is_named(endpoint: str, tmp_path: Path) -> None:
    archive = open_archive(in_bucket(endpoint, tmp_path, "nowhere"))
    with pytest.raises(ConfigurationError, match="nowhere"):
        archive.append("price/2-a", 0, {"event": "started"})
