"""Tensors whose length a request decides: served alone and side by side, over REST and gRPC, left out, and refused."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tritonclient.http as triton_http

from components.catalog import get_spec
from components.errors import ArthaflowError
from components.models.contract import Model
from inference.v2 import Client
from tests.support import triton_peer
from tests.support.predictor import Predictor, predictor
from tests.support.tiny import make_judged_artifact, test_rooms

pytestmark = pytest.mark.slow
NAMES = ("CALM", "MIXED", "WILD")


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("judged") / "artifact"
    make_judged_artifact(path)
    return path


@pytest.fixture(scope="module")
def model(directory: Path) -> Model:
    from components.registry.artifact import read_artifact

    with test_rooms():
        return read_artifact(directory).load_model(get_spec("judged"))


@pytest.fixture(scope="module")
def served(directory: Path) -> Iterator[Predictor]:
    with predictor(directory, "--model_name", "judged", grpc=True) as running:
        yield running


def holdings(count: int, scale: float = 1.0) -> dict[str, np.ndarray[Any, Any]]:
    names = np.array([[NAMES[i % 3] for i in range(count)]], object)
    return {
        "security_id": names,
        "weight": np.full((1, count), 1 / count),
        "conditions": np.array([[scale]]),
    }


@pytest.mark.parametrize("binary", [False, True])
@pytest.mark.parametrize("count", [1, 2, 30, 500])
def test_any_number_of_holdings(served: Predictor, model: Model, count: int, binary: bool) -> None:
    inputs = holdings(count)
    with Client(served.url, "judged") as client:
        answer, _ = client.infer(inputs, binary=binary)
    want = model.predict({**inputs, "correlation": np.empty((1, 0, 0))})
    assert answer["contribution"].shape == (1, count)
    np.testing.assert_allclose(answer["contribution"], want["contribution"])
    np.testing.assert_allclose(answer["contribution"].sum(), answer["variance"][0])
    assert list(answer["level"]) == list(want["level"])


def test_requests_of_different_lengths_at_once(served: Predictor, model: Model) -> None:
    def ask(i: int) -> tuple[int, float]:
        count = 1 + i % 7
        with Client(served.url, "judged") as client:
            answer, _ = client.infer(holdings(count, 1 + i / 100))
        return count, float(answer["variance"][0])

    with ThreadPoolExecutor(8) as pool:
        got = list(pool.map(ask, range(64)))
    for i, (count, variance) in enumerate(got):
        want = model.predict({**holdings(count, 1 + i / 100), "correlation": np.empty((1, 0, 0))})["variance"][0]
        assert variance == pytest.approx(want, rel=1e-12)


def test_an_optional_tensor_may_be_sent(served: Predictor) -> None:
    with Client(served.url, "judged") as client:
        answer, _ = client.infer({**holdings(3), "correlation": np.eye(3)[None]})
    assert answer["variance"][0] > 0


def test_triton_over_grpc(served: Predictor, model: Model) -> None:
    inputs = holdings(4)
    kinds = {"security_id": "BYTES", "weight": "FP64", "conditions": "FP64"}
    answer = triton_peer.ask(served.grpc_port, "infer", "judged", {n: (kinds[n], v) for n, v in inputs.items()})
    want = model.predict({**inputs, "correlation": np.empty((1, 0, 0))})
    np.testing.assert_allclose(answer["outputs"]["contribution"], want["contribution"])


def test_metadata_says_which_axes_a_request_decides(served: Predictor) -> None:
    told = triton_http.InferenceServerClient(served.url.removeprefix("http://")).get_model_metadata("judged")
    shapes = {t["name"]: t["shape"] for t in told["inputs"]}
    assert shapes == {"security_id": [-1, -1], "weight": [-1, -1], "conditions": [-1, 1], "correlation": [-1, -1, -1]}


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        ({"weight": np.full((1, 2), 0.5)}, "weight"),
        ({"correlation": np.eye(2)[None]}, "correlation"),
        ({"weight": np.array([[0.5, np.nan, 0.5]])}, "weight"),
        ({"security_id": np.array([["CALM", "NOBODY", "WILD"]], object)}, "NOBODY"),
        ({"weight": np.full((1, 3, 1), 0.5)}, "weight"),
    ],
)
def test_what_does_not_fit_is_refused(served: Predictor, changed: dict[str, Any], named: str) -> None:
    with Client(served.url, "judged") as client, pytest.raises(ArthaflowError, match=named):
        client.infer({**holdings(3), **changed}, binary=True)
    with Client(served.url, "judged") as client:
        assert client.infer(holdings(3))[0]["variance"][0] > 0
