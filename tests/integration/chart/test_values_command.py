"""`arthaflow values`: a version registered in a real MLflow, its artifact in a real S3 server, is what Helm then serves."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from pydantic import SecretStr

from components.errors import ConfigurationError, UnknownModel
from components.registry.lineage import Lineage
from components.registry.versions import Registry
from components.settings import Settings
from pipelines.chart_values import chart_values
from tests.support.helm import find, template
from tests.support.s3 import s3_server
from tests.support.tiny import make_tiny_artifact

pytestmark = pytest.mark.slow
LINEAGE = Lineage("run-1", "d" * 64, "embedded", "1d", "", "tiny_v1", "f" * 64, "7", "{}").complete()
STORE = "s3://models/artifacts"


@pytest.fixture(scope="module")
def s3_endpoint() -> Iterator[str]:
    with s3_server() as url:
        yield url


def register(config: Settings, folder: Path) -> None:
    """Register an artifact as version 1 of the price forecast."""
    artifact = make_tiny_artifact(folder / "tiny").directory
    Registry(config).register("price_forecast", artifact, key="run-1", tags=LINEAGE.tags(), params={}, metrics={})


@pytest.fixture(scope="module")
def in_bucket(s3_endpoint: str, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    from minio import Minio

    client = Minio(s3_endpoint.removeprefix("http://"), "access", "secret", secure=False, region="us-east-1")
    client.make_bucket("models")
    home = tmp_path_factory.mktemp("home")
    keys = {"s3_access_key": SecretStr("access"), "s3_secret_key": SecretStr("secret")}
    config = Settings(home=home, artifact_store=STORE, s3_endpoint=s3_endpoint, **keys)
    register(config, home)
    return config


def test_what_it_prints_is_what_helm_serves(in_bucket: Settings, tmp_path: Path) -> None:
    home = {"ARTHAFLOW_HOME": str(in_bucket.home), "ARTHAFLOW_ARTIFACT_STORE": STORE}
    environment = {**os.environ, **home, "ARTHAFLOW_S3_ENDPOINT": in_bucket.s3_endpoint}
    command = [sys.executable, "-c", "from pipelines.cli import main; main()", "values", "price_forecast"]
    done = subprocess.run([*command, "--version", "1"], capture_output=True, text=True, check=True, env=environment)
    artifact = f"{STORE}/price_forecast/run-1/"
    assert yaml.safe_load(done.stdout) == {
        "storage": {"uri": STORE},  # an endpoint on this machine means nothing to a cluster
        "models": {"price_forecast": {"version": "1", "artifact": artifact}},
    }
    file = tmp_path / "values.yaml"
    file.write_text(done.stdout, encoding="utf-8")
    text = template("-f", str(file), "--set", "networkPolicy.enabled=false")
    predictor = find(text, "InferenceService", "price-forecast-v1")["spec"]["predictor"]
    assert {"name": "STORAGE_URI", "value": artifact} in predictor["containers"][0]["env"]


def test_the_store_is_read_off_the_artifact_where_the_settings_name_another(in_bucket: Settings) -> None:
    elsewhere = in_bucket.model_copy(update={"artifact_store": "s3://another", "s3_endpoint": ""})
    assert chart_values("price_forecast", "production", elsewhere)["storage"] == {"uri": STORE}


def test_an_endpoint_that_a_cluster_reaches_too_is_printed(
    in_bucket: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    printed = in_bucket.model_copy(update={"s3_endpoint": "http://minio.arthaflow-storage.svc:9000"})
    monkeypatch.setattr("pipelines.chart_values.Registry", lambda config: Registry(in_bucket))
    assert chart_values("price_forecast", "1", printed)["storage"] == {
        "uri": STORE,
        "endpoint": "http://minio.arthaflow-storage.svc:9000",
        "region": "us-east-1",
    }


def test_an_unregistered_version_is_named_with_those_that_are(in_bucket: Settings) -> None:
    with pytest.raises(UnknownModel, match=r"no version '7'.*Registered: 1 \(production\)"):
        chart_values("price_forecast", "7", in_bucket)


def test_a_version_in_a_folder_is_refused_with_what_to_do(tmp_path: Path) -> None:
    config = Settings(home=tmp_path)
    register(config, tmp_path)
    with pytest.raises(ConfigurationError, match=r"run-1, which KServe cannot fetch.*ARTHAFLOW_ARTIFACT_STORE"):
        chart_values("price_forecast", "production", config)
