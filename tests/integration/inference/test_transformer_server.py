"""The transformer as a process, with real features in Feast and a real predictor that takes them."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import numpy as np
import pandas as pd
import pytest

from components.data.sources import load_bars, load_market
from components.errors import FeatureUnavailable
from components.features.price import compute_features
from feature_repo.store import materialise, open_store, write_features
from inference.gateway.calls.model_calls import ModelCalls
from inference.gateway.explain.asking import as_instance, look_up
from inference.gateway.metrics import GatewayMetrics
from inference.gateway.table import ModelTable
from inference.ports import free_port
from inference.v2 import Client, decode_response, encode_request
from tests.support.predictor import Predictor, predictor
from tests.support.surroundings import Server, make_looked_up_artifact, server
from tests.support.tiny import test_rooms

pytestmark = pytest.mark.slow
NAME = "looked_up"


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="module")
def features(home: Path) -> pd.DataFrame:
    """Real features of two indices, in the store, with the last day online."""
    bars = load_bars()
    frame = compute_features(bars[bars["timestamp"] >= "2017-06-01"], load_market())
    write_features(home, frame)
    materialise(open_store(home), frame["timestamp"].max())
    return frame


@pytest.fixture(scope="module")
def model(features: pd.DataFrame, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Predictor]:
    artifact = make_looked_up_artifact(tmp_path_factory.mktemp("model") / NAME, features)
    with predictor(artifact.directory, "--model_name", NAME) as running:
        yield running


@pytest.fixture(scope="module")
def transformer(home: Path, model: Predictor, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    known = ("--model_name", NAME, "--predictor_host", f"127.0.0.1:{model.port}", "--home", home, "--workers", "1")
    with server("transformer", tmp_path_factory.mktemp("logs"), *known) as running:
        yield running


def ask(running: Server, entity: list[Any], timestamp: list[Any], kind: str = "BYTES", **more: Any) -> httpx.Response:
    inputs = [
        {"name": "entity", "shape": [len(entity)], "datatype": "BYTES", "data": entity},
        {"name": "timestamp", "shape": [len(timestamp)], "datatype": kind, "data": timestamp},
    ]
    return httpx.post(f"{running.url}/v2/models/{NAME}/infer", json={"inputs": inputs, **more}, timeout=60)


def expected(features: pd.DataFrame, entity: str, time: str) -> tuple[float, str]:
    """The answer of the model itself on the newest row known at the time."""
    known = features[(features["entity"] == entity) & (features["timestamp"] <= pd.Timestamp(time))].iloc[[-1]]
    with test_rooms():
        from components.models.lab.looked_up.model import NAMES, LookedUp
    window = np.stack([np.asarray(w, np.float32) for w in known["window"]]).reshape(-1, 60, 5)
    price = LookedUp().predict({"features": known[list(NAMES)].to_numpy(np.float64), "window": window})["price"]
    return float(price[0, 0]), f"{known['timestamp'].iloc[0].isoformat()}Z"


def test_an_online_and_a_historical_row_are_looked_up_point_in_time(
    transformer: Server, features: pd.DataFrame
) -> None:
    times = ["2018-12-31T21:30:00Z", "2018-10-06T12:00:00Z"]
    answer = ask(transformer, ["SP500", "NASDAQ"], times, id="mine")
    assert answer.status_code == 200, answer.text
    outputs, parameters = decode_response(answer.content, answer.headers)
    wanted = [expected(features, e, t.removesuffix("Z")) for e, t in zip(("SP500", "NASDAQ"), times, strict=True)]
    assert outputs["price"].ravel().tolist() == pytest.approx([price for price, _ in wanted])
    assert parameters["feature_timestamps"].split(",") == [time for _, time in wanted]
    assert wanted[1][1] == "2018-10-05T21:00:00Z", "Saturday's newest row is Friday's"
    assert (parameters["id"], parameters["model_name"]) == ("mine", NAME)


def test_nanoseconds_and_wanted_outputs_are_honoured(transformer: Server, features: pd.DataFrame) -> None:
    moment = int(np.datetime64("2018-12-31T22:00", "ns").astype(np.int64))
    answer = ask(transformer, ["SP500"], [moment], "INT64", outputs=[{"name": "direction"}])
    outputs, _ = decode_response(answer.content, answer.headers)
    assert set(outputs) == {"direction"}
    binary = ask(transformer, ["SP500"], [moment], "INT64", parameters={"binary_data_output": True})
    assert "inference-header-content-length" in binary.headers
    outputs, parameters = decode_response(binary.content, binary.headers)
    assert outputs["price"][0, 0] == pytest.approx(expected(features, "SP500", "2018-12-31T22:00")[0])
    assert parameters["feature_timestamps"] == "2018-12-31T21:00:00Z"


def without_clock(content: bytes) -> bytes:
    return re.sub(rb'"generated_at":"[^"]*"', b"", content)


@pytest.mark.parametrize("binary", [False, True])
def test_features_are_passed_on_byte_for_byte(
    transformer: Server, model: Predictor, features: pd.DataFrame, binary: bool
) -> None:
    inputs = {"features": np.array([[2500.0, 0.01, 60.0, 15.0]]), "window": np.zeros((1, 60, 5), np.float32)}
    body, headers = encode_request(inputs, binary=binary, request_id="same")
    direct = httpx.post(f"{model.url}/v2/models/{NAME}/infer", content=body, headers=headers)
    passed = httpx.post(f"{transformer.url}/v2/models/{NAME}/infer", content=body, headers=headers)
    assert passed.status_code == 200
    assert without_clock(passed.content) == without_clock(direct.content)
    assert passed.headers.get("inference-header-content-length") == direct.headers.get(
        "inference-header-content-length"
    )


def test_the_predictors_own_refusal_comes_back_unchanged(transformer: Server, model: Predictor) -> None:
    body, headers = encode_request({"features": np.array([[2500.0, 0.01, 600.0, 15.0]])})
    answers = [
        httpx.post(f"{url}/v2/models/{NAME}/infer", content=body, headers=headers)
        for url in (model.url, transformer.url)
    ]
    assert answers[0].status_code == 400
    assert (answers[1].status_code, answers[1].content) == (400, answers[0].content)


@pytest.mark.parametrize(
    ("entity", "timestamp", "status", "told"),
    [
        (["GOLD"], ["2018-12-31"], 404, "'GOLD'"),
        (["SP500"], ["1990-01-01"], 404, "nothing on 'SP500'"),
        (["SP500"], ["2019-06-01"], 404, "2018-12-31"),
        (["SP500"], ["last friday"], 400, "inputs[1].data[0]"),
        (["SP500", "NASDAQ"], ["2018-12-31"], 400, "inputs[1].shape"),
    ],
)
def test_what_cannot_be_looked_up_is_said(
    transformer: Server, entity: list[str], timestamp: list[str], status: int, told: str
) -> None:
    answer = ask(transformer, entity, timestamp)
    assert answer.status_code == status
    assert told in answer.json()["error"]


def test_it_is_a_v2_server_to_the_projects_own_client(transformer: Server) -> None:
    with Client(transformer.url, NAME) as client:
        assert client.ready()
        assert [t["name"] for t in client.metadata()["inputs"]] == ["features", "window"]
        keys = {
            "entity": np.array(["SP500"], dtype=object),
            "timestamp": np.array(["2018-12-31T21:00:00Z"], dtype=object),
        }
        for binary in (False, True):
            outputs, _ = client.infer(keys, binary=binary)
            assert outputs["price"].shape == (1, 1)
    metrics = httpx.get(f"{transformer.url}/metrics").text
    assert f'arthaflow_transformer_requests_total{{code="200",kind="looked_up",model="{NAME}"}}' in metrics


def test_without_a_predictor_it_is_not_ready_and_answers_503(
    home: Path, features: pd.DataFrame, tmp_path: Path
) -> None:
    known = ("--model_name", NAME, "--predictor_host", f"127.0.0.1:{free_port()}", "--home", home)
    with server("transformer", tmp_path, *known, ready=False) as running:
        body, headers = encode_request({"features": np.zeros((1, 4))})
        answer = httpx.post(f"{running.url}/v2/models/{NAME}/infer", content=body, headers=headers, timeout=60)
        assert answer.status_code == 503
        assert "does not answer" in answer.json()["error"]
        assert httpx.get(f"{running.url}/v2/models/{NAME}/ready").status_code == 503
        assert ask(running, ["SP500"], ["2018-12-31"]).status_code == 503


def test_the_looked_up_features_are_told_and_predict_the_same(
    transformer: Server, model: Predictor, features: pd.DataFrame
) -> None:
    inputs = {"entity": np.array(["SP500"], object), "timestamp": np.array(["2018-10-06T12:00:00Z"], object)}
    body, headers = encode_request(inputs)
    told = httpx.post(f"{transformer.url}/v2/models/{NAME}/features", content=body, headers=headers, timeout=60)
    assert told.status_code == 200, told.text
    tensors, parameters = decode_response(told.content, told.headers)
    assert parameters["feature_timestamps"] == "2018-10-05T21:00:00Z"
    again, own = encode_request(tensors)
    direct = httpx.post(f"{model.url}/v2/models/{NAME}/infer", content=again, headers=own)
    outputs, _ = decode_response(direct.content, direct.headers)
    assert outputs["price"][0, 0] == pytest.approx(expected(features, "SP500", "2018-10-06T12:00")[0])


def test_features_of_nothing_are_refused(transformer: Server) -> None:
    url = f"{transformer.url}/v2/models/{NAME}/features"
    body, headers = encode_request({"features": np.zeros((1, 4))})
    sent = httpx.post(url, content=body, headers=headers)
    assert (sent.status_code, sent.json()["path"]) == (400, "inputs")
    unknown, own = encode_request({"entity": np.array(["GOLD"], object), "timestamp": np.array(["2018-12-31"], object)})
    assert httpx.post(url, content=unknown, headers=own, timeout=60).status_code == 404
    assert httpx.post(url.replace(NAME, "other"), content=body, headers=headers).status_code == 404


def test_the_gateway_explains_an_entity_by_its_looked_up_features(transformer: Server, tmp_path: Path) -> None:
    """What the explain endpoints do with a product request that names an entity."""
    models = tmp_path / "models.json"
    models.write_text(json.dumps({"models": {NAME: {"url": transformer.url}}}))
    table = ModelTable(models)
    shared: Any = SimpleNamespace(table=table, calls=ModelCalls(table, GatewayMetrics()))

    def keys(entity: str) -> dict[str, Any]:
        at = np.array(["2018-12-31T21:30:00Z"], object)
        return {"entity": np.array([entity], object), "timestamp": at}

    async def ask() -> None:
        instance = as_instance(await look_up(shared, NAME, [(b"x-request-id", b"r-1")], keys("SP500")))
        assert np.shape(instance["features"]) == (4,)
        assert np.shape(instance["window"]) == (60, 5)
        with pytest.raises(FeatureUnavailable, match="'GOLD'"):
            await look_up(shared, NAME, [], keys("GOLD"))
        shared.calls.close()

    asyncio.run(ask())


def test_the_track_goes_to_the_router_and_the_version_comes_back(
    home: Path, features: pd.DataFrame, model: Predictor, tmp_path: Path
) -> None:
    """Between a gateway and a router: without these an experiment would never reach its version."""
    from inference.local import LocalServing

    artifact = make_looked_up_artifact(tmp_path / NAME, features)
    serving = LocalServing(tmp_path / "serving")
    try:
        with test_rooms():
            ends = [serving.deploy(NAME, version, artifact.directory) for version in ("1", "2")]
            router = serving.start_router(NAME)
        table = {
            track: {"url": end.url, "version": end.version, "weight": weight}
            for track, end, weight in zip(("stable", "canary"), ends, (100, 0), strict=True)
        }
        assert httpx.put(f"{router.admin_url}/weights", json=table, timeout=30).status_code == 200
        known = ("--model_name", NAME, "--predictor_host", router.address, "--home", home, "--workers", "1")
        with server("transformer", tmp_path, *known) as running:
            for track, version in (("stable", "1"), ("canary", "2")):
                asked = {"x-model-track": track}
                day = {"entity": ["SP500"], "timestamp": ["2018-12-31T21:00:00Z"]}
                inputs = [{"name": k, "shape": [1], "datatype": "BYTES", "data": v} for k, v in day.items()]
                url = f"{running.url}/v2/models/{NAME}"
                answer = httpx.post(f"{url}/infer", json={"inputs": inputs}, headers=asked, timeout=60)
                metadata = httpx.get(url, headers=asked, timeout=60)
                for told in (answer, metadata):
                    assert told.status_code == 200, told.text
                    assert (told.headers["x-model-version"], told.headers["x-model-track"]) == (version, track)
                assert answer.json()["model_version"] == version
    finally:
        serving.stop_all()
