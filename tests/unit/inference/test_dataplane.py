"""The data plane: batched answers equal single ones, only the offender is refused, everything is logged and counted."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from components.errors import InvalidRequest, ModelUnavailable, UnknownModel
from inference.dataplane import DataPlane
from inference.metrics import ServerMetrics
from inference.payload_log import PayloadLog, read_since
from inference.served_model import PredictionFailed, ServedModel, load_served
from inference.v2 import encode_request
from tests.support.mixed import make_mixed_artifact, mixed_rows
from tests.support.plane_call import KeptCall
from tests.support.tiny import make_tiny_artifact, test_rooms, tiny_rows

Served = dict[str, ServedModel]


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    root = tmp_path_factory.mktemp("artifacts")
    make_tiny_artifact(root / "tiny")
    make_mixed_artifact(root / "mixed")
    with test_rooms():
        yield {name: load_served(root / name, "", "") for name in ("tiny", "mixed")}


def ask(plane: DataPlane, *calls: KeptCall) -> list[KeptCall]:
    """Submit the calls in one turn of the event loop, so that they are batched, and wait for them."""

    async def run() -> None:
        plane._loop = None
        for call in calls:
            plane.submit(call)
        await plane.drained(20.0)

    asyncio.run(run())
    return list(calls)


def make_plane(*models: ServedModel, log: PayloadLog | None = None) -> DataPlane:
    plane = DataPlane(ServerMetrics(), log)
    for model in models:
        plane.serve(model)
    return plane


def call_for(inputs: dict[str, Any], model: str = "tiny", binary: bool = False, **more: Any) -> KeptCall:
    body, headers = encode_request(inputs, binary, **more)
    length = headers.get("Inference-Header-Content-Length")
    return KeptCall(model, body, int(length) if length else None)


@settings(deadline=None, max_examples=40)
@given(
    sizes=st.lists(st.integers(1, 5), min_size=1, max_size=8), binary=st.lists(st.booleans(), min_size=8, max_size=8)
)
@pytest.mark.parametrize("name", ["tiny", "mixed"])
def test_batched_answers_equal_single_answers(served: Served, name: str, sizes: list[int], binary: list[bool]) -> None:
    make = tiny_rows if name == "tiny" else mixed_rows
    requests = [make(n, seed=i) for i, n in enumerate(sizes)]
    plane = make_plane(served[name])
    together = ask(plane, *(call_for(r, name, b) for r, b in zip(requests, binary, strict=False)))
    assert plane.metrics.model(name, served[name].version).rows.total == sum(sizes)
    assert sum(plane.metrics.model(name, served[name].version).rows.counts) == 1
    for request, batched, as_binary in zip(requests, together, binary, strict=False):
        alone = ask(plane, call_for(request, name, as_binary))[0]
        direct = served[name].model.predict(request)
        for output, want in direct.items():
            np.testing.assert_array_equal(batched.outputs[output], alone.outputs[output])
            np.testing.assert_array_equal(batched.outputs[output], want)


def test_only_the_offender_of_a_batch_is_refused(served: Served) -> None:
    bad = tiny_rows(3)["features"].copy()
    bad[1, 1] = 101.0
    missing = tiny_rows(1)["features"].copy()
    missing[0, 2] = np.nan
    plane = make_plane(served["tiny"])
    good, out, nan, text, other = ask(
        plane,
        call_for(tiny_rows(2)),
        call_for({"features": bad}),
        call_for({"features": missing}, binary=True),
        KeptCall("tiny", b'{"inputs":[{"name":"features","shape":[1,4],"datatype":"FP64","data":[1,2,3,"x"]}]}'),
        call_for(tiny_rows(1)),
    )
    assert good.outputs["price"].shape == (2, 2)
    assert other.outputs["price"].shape == (1, 2)
    assert [c.error.path for c in (out, nan, text) if isinstance(c.error, InvalidRequest)] == [
        "features.rsi_14[1]",
        "features.volatility_21[0]",
        "inputs[0].data[3]",
    ]
    metrics = plane.metrics
    assert metrics.model("tiny", "1").codes == {200: 2, 400: 3}
    assert dict(metrics.validation_errors) == {
        ("tiny", "features.rsi_14"): 1,
        ("tiny", "features.volatility_21"): 1,
        ("tiny", "inputs.data"): 1,
    }


@pytest.mark.parametrize("trouble", ["raise", "nan"])
def test_a_row_that_the_model_fails_on_fails_alone(served: Served, trouble: str) -> None:
    bad = mixed_rows(2)
    bad["text"] = np.array(["fine", trouble], dtype=object)
    good, failed = ask(make_plane(served["mixed"]), call_for(mixed_rows(2), "mixed"), call_for(bad, "mixed"))
    assert good.outputs["score"].shape == (2,)
    assert isinstance(failed.error, PredictionFailed)


def test_a_slow_model_answers_from_a_thread(served: Served) -> None:
    slow = mixed_rows(1)
    slow["text"] = np.array(["slow"], dtype=object)
    model = load_again(served["mixed"])
    plane = make_plane(model)
    for _ in range(3):
        ask(plane, call_for(slow, "mixed"))
    assert model.is_slow(1)
    answers = ask(plane, *(call_for(slow, "mixed") for _ in range(5)))
    assert all(a.outputs["label"].tolist()[0].startswith("slow") for a in answers)
    bad = {**slow, "text": np.array(["raise"], dtype=object)}
    good, failed = ask(plane, call_for(slow, "mixed"), call_for(bad, "mixed"))
    assert isinstance(failed.error, PredictionFailed)
    assert good.error is None
    plane.serve(load_again(served["mixed"]))


def load_again(model: ServedModel) -> ServedModel:
    with test_rooms():
        return load_served(model.artifact.directory, "", "")


def test_a_batch_keeps_to_the_largest_size(served: Served) -> None:
    plane = make_plane(served["mixed"])
    calls = ask(plane, *(call_for(mixed_rows(n), "mixed") for n in (40, 30, 70, 1)))
    assert [len(c.outputs["score"]) for c in calls] == [40, 30, 70, 1]
    assert sum(plane.metrics.model("mixed", "5").rows.counts) == 4


def test_wanted_outputs_and_ids(served: Served) -> None:
    plane = make_plane(served["tiny"])
    some, named, wrong = ask(
        plane,
        call_for(tiny_rows(1), outputs=("upper",)),
        call_for(tiny_rows(1), request_id="mine"),
        call_for(tiny_rows(1), outputs=("median",)),
    )
    assert list(some.outputs) == ["upper"]
    assert named.answered is not None
    assert some.answered is not None
    told = orjson.loads(named.answered[0])
    assert told["id"] == "mine"
    assert len(orjson.loads(some.answered[0])["id"]) == 32
    assert told["parameters"]["disclaimers"] == "Not investment advice."
    assert told["parameters"]["model_version"] == "1"
    assert isinstance(wrong.error, InvalidRequest)
    assert wrong.error.path == "outputs[0].name"


def test_unknown_and_unloaded_models(served: Served) -> None:
    plane = make_plane(served["tiny"])
    unknown, version = ask(plane, call_for(tiny_rows(1), "tin"), KeptCall("tiny", b"", version="9"))
    assert isinstance(unknown.error, UnknownModel)
    assert isinstance(version.error, UnknownModel)
    plane.unload("tiny")
    assert not plane.is_ready("tiny")
    assert isinstance(ask(plane, call_for(tiny_rows(1)))[0].error, ModelUnavailable)
    plane.serve(served["tiny"])
    assert ask(plane, call_for(tiny_rows(1)))[0].error is None
    assert set(plane.metrics.models) == {("tiny", "1"), ("unknown", "")}


def test_everything_is_logged_as_json(served: Served, tmp_path: Path) -> None:
    log = PayloadLog(tmp_path / "payload.db")
    plane = make_plane(served["tiny"], log=log)
    rows = tiny_rows(2)
    calls = ask(plane, call_for(rows), call_for(rows, binary=True), KeptCall("tiny", b"{"), KeptCall("tin", b"{}"))
    log.close()
    records = read_since(tmp_path / "payload.db")
    assert [(r.status, r.model, r.version) for r in records] == [
        (400, "tiny", "1"),
        (404, "tin", ""),
        (200, "tiny", "1"),
        (200, "tiny", "1"),
    ]
    assert len({r.id for r in records}) == 4
    assert records[0].request == b"{"
    for record in records[2:]:
        sent, told = orjson.loads(record.request), orjson.loads(record.response)
        assert sent["inputs"][0]["data"] == rows["features"].reshape(-1).tolist()
        assert told["outputs"][0]["data"] == calls[0].outputs["price"].reshape(-1).tolist()
        assert told["id"] == record.id
    assert [r.rowid for r in read_since(tmp_path / "payload.db", records[1].rowid, limit=1)] == [records[2].rowid]


def test_answers_wait_while_the_log_is_full(served: Served, tmp_path: Path) -> None:
    log = PayloadLog(tmp_path / "payload.db", high_water=1)
    plane = make_plane(served["tiny"], log=log)
    for _ in range(5):
        assert ask(plane, call_for(tiny_rows(1)))[0].error is None
    log.close()
    assert len(read_since(tmp_path / "payload.db")) == 5
    assert log.dropped == 0
