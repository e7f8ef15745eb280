"""The compared number: the same in a predictor's arrays as in the router's bytes, and only clients are counted."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from prometheus_client import CollectorRegistry, generate_latest

from components.errors import ConfigurationError
from components.models.spec import RolloutSpec
from inference.compared import Compared, Rows, compared_for
from inference.dataplane import DataPlane
from inference.metrics import ServerMetrics
from inference.router.quantity import Cell, Message, Quantity, quantity_for
from inference.served_model import ServedModel, load_served
from inference.v2 import encode_request
from inference.v2.request import parse_request
from tests.support.plane_call import KeptCall
from tests.support.tiny import make_tiny_artifact, test_rooms, tiny_rows


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServedModel]:
    folder: Path = make_tiny_artifact(tmp_path_factory.mktemp("artifact") / "tiny").directory
    with test_rooms():
        yield load_served(folder, "", "")


def ask(served: ServedModel, *calls: KeptCall) -> DataPlane:
    plane = DataPlane(ServerMetrics())
    plane.serve(served)

    async def run() -> None:
        for call in calls:
            plane.submit(call)
        await plane.drained(20.0)

    asyncio.run(run())
    return plane


def call(rows: dict[str, Any], **more: Any) -> KeptCall:
    return KeptCall("tiny", encode_request(rows)[0], **more)


def counted(plane: DataPlane) -> Compared:
    compared = plane.metrics.model("tiny", "1").compared
    assert compared is not None
    return compared


def exported(plane: DataPlane) -> str:
    registry = CollectorRegistry()
    registry.register(plane.metrics)
    return generate_latest(registry).decode()


def test_arrays_give_the_number_that_the_bytes_give(served: ServedModel) -> None:
    calls = [call(tiny_rows(n, seed=n)) for n in (1, 3, 2)]
    plane = ask(served, *calls)
    quantity = quantity_for(served.spec, served.artifact.input_schema, served.artifact.output_schema)
    grid = served.spec.rollout.grid
    want = np.zeros(len(grid) + 1, dtype=int)
    total = 0.0
    for one in calls:
        assert one.answered is not None
        number, unusable = quantity.measure(Message(one.content, {}), Message(one.answered[0], {}))
        assert number is not None
        assert not unusable
        want[np.searchsorted(grid, number)] += 1
        total += number
    assert counted(plane).histogram.counts == want.tolist()
    assert counted(plane).histogram.total == pytest.approx(total)


def test_each_request_of_a_batch_counts_its_own_first_row() -> None:
    quantity = Quantity(Cell("price", 1), Cell("features", 2))
    compared = Compared(quantity, (0.0, 1.0, 2.0, 3.0))
    inputs, outputs = Rows({"features": np.full((3, 4), 10.0)}), Rows({"price": np.array([[0, 5], [0, 15], [0, 25.0]])})
    request = parse_request(encode_request({"features": np.ones((1, 4))})[0])
    for inputs.start in range(3):
        outputs.start = inputs.start
        compared.observe(request, inputs, outputs)
    assert compared.histogram.counts == [0, 1, 1, 1, 0]


def test_explainers_forced_and_refused_requests_are_not_counted(served: ServedModel) -> None:
    rows, bad = tiny_rows(1), {"features": np.full((1, 4), np.nan)}
    plane = ask(served, call(rows, ce_id="explain-1"), call(rows, forced=True), call(bad), call(rows, ce_id="mine"))
    assert sum(counted(plane).histogram.counts) == 1
    text = exported(plane)
    for traffic, code, count in [("explain", 200, 1), ("forced", 200, 1), ("client", 200, 1), ("client", 400, 1)]:
        line = f'arthaflow_requests_total{{code="{code}",model="tiny",traffic="{traffic}",version="1"}} {count}.0'
        assert line in text


def test_missing_values_are_counted_by_field(served: ServedModel) -> None:
    nan, wild = tiny_rows(1), tiny_rows(1)
    nan["features"][0, 2], wild["features"][0, 1] = np.nan, 101.0
    null = b'{"inputs":[{"name":"features","shape":[1,4],"datatype":"FP64","data":[1,2,3,null]}]}'
    gone = b'{"inputs":[{"name":"rsi_14","shape":[1],"datatype":"FP64","data":[50.0]}]}'
    body, headers = encode_request(nan, binary=True)
    binary = KeptCall("tiny", body, int(headers["Inference-Header-Content-Length"]))
    metrics = ask(served, binary, call(wild), KeptCall("tiny", null), KeptCall("tiny", gone)).metrics
    assert sum(metrics.validation_errors.values()) == 4
    assert sum(metrics.missing_values.values()) == 3
    assert {"features.volatility_21", "inputs.data"} < {field for _, field in metrics.missing_values}


def test_an_output_that_was_not_asked_for_is_not_counted(served: ServedModel) -> None:
    body = encode_request(tiny_rows(1), outputs=("lower",))[0]
    assert sum(counted(ask(served, KeptCall("tiny", body))).histogram.counts) == 0


def test_every_series_exists_before_the_first_request(served: ServedModel) -> None:
    text = exported(ask(served))
    for line in (
        'arthaflow_requests_total{code="500",model="tiny",traffic="client",version="1"} 0.0',
        'arthaflow_request_seconds_bucket{le="0.2",model="tiny",traffic="client",version="1"} 0.0',
        'arthaflow_prediction_value_bucket{le="+Inf",model="tiny",version="1"} 0.0',
        'arthaflow_prediction_unusable_total{model="tiny",version="1"} 0.0',
        'arthaflow_prediction_outside_total{model="tiny",version="1"} 0.0',
    ):
        assert line in text
    assert text.count("arthaflow_prediction_value_bucket{") == served.spec.rollout.steps + 2


def test_a_number_that_is_not_finite_is_unusable_and_a_bad_reference_is_nobodys_fault() -> None:
    compared = Compared(Quantity(Cell("price", 0), Cell("features", 0)), (0.0, 1.0))
    request = parse_request(encode_request({"features": np.ones((1, 1))})[0])
    for price, close in [(np.nan, 1.0), (np.inf, 1.0), (1.0, 0.0), (1e308, 1e-308), (7.0, 1.0), (0.5, 1.0)]:
        compared.observe(request, Rows({"features": np.array([[close]])}), Rows({"price": np.array([[price]])}))
    assert (compared.unusable, compared.histogram.counts, compared.outside) == (2, [0, 1, 1], 1)


def test_a_spec_that_does_not_fit_an_old_artifact_costs_the_histogram_only(
    served: ServedModel, caplog: pytest.LogCaptureFixture
) -> None:
    spec = replace(served.spec, rollout=replace(served.spec.rollout, output="volatility"))
    assert compared_for(spec, served.artifact.input_schema, served.artifact.output_schema) is None
    assert "names the tensor 'volatility'" in caplog.text


def test_a_latency_objective_is_a_bucket_bound() -> None:
    metrics = ServerMetrics()
    assert 0.3 in metrics.model("m", "1", p95_ms=300.0).seconds.bounds
    assert metrics.model("m", "1").of("forced").seconds.bounds == metrics.model("m", "1").seconds.bounds


def test_the_grid_covers_the_bounds_in_equal_steps() -> None:
    spec = RolloutSpec(bounds=(0.9, 1.1), steps=4)
    assert spec.grid == pytest.approx((0.9, 0.95, 1.0, 1.05, 1.1))
    assert (spec.grid[0], spec.grid[-1]) == (0.9, 1.1)
    assert spec.resolution == pytest.approx(0.05)


@pytest.mark.parametrize(("bounds", "steps"), [((1.0, 1.0), 8), ((0.0, float("inf")), 8), ((0.0, 1.0), 1)])
def test_bounds_that_make_no_grid_are_refused(bounds: tuple[float, float], steps: int) -> None:
    with pytest.raises(ConfigurationError, match="Give a finite lower"):
        RolloutSpec(bounds=bounds, steps=steps)
