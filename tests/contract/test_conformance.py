"""The conformance suite: what every model of the catalogue must do, offline and served, trained by its real graph."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import tritonclient.http as triton_http

from components.catalog import catalogue, get_spec
from components.errors import ArtifactCorrupt, InvalidRequest
from components.models.contract import Model
from components.models.schema import Batch, Tensor
from components.registry.artifact import SAFE_SUFFIXES, Artifact, read_artifact
from inference.v2 import Client
from pipelines.result import RunResult
from tests.support import triton_peer
from tests.support.predictor import Predictor, predictor

pytestmark = pytest.mark.slow
TRAINING_LIBRARIES = (
    "torch",
    "tensorflow",
    "keras",
    "sklearn",
    "xgboost",
    "pandas",
    "pyarrow",
    "mlflow",
    "kfp",
    "feast",
)
SERVED_WITH = {"skfolio": ("skfolio", "sklearn", "pandas", "pyarrow")}
"""What a runtime family serves with, although others only train with it; pandas takes PyArrow where it finds it."""


@pytest.fixture(scope="module", params=list(catalogue()))
def artifact(request: pytest.FixtureRequest, trained: Callable[[str], RunResult]) -> Artifact:
    return read_artifact(trained(request.param).artifact)


@pytest.fixture(scope="module")
def model(artifact: Artifact) -> Model:
    return artifact.load_model(get_spec(artifact.model_name))


@pytest.fixture(scope="module")
def batch(artifact: Artifact) -> Batch:
    """The golden rows, as one batch."""
    return artifact.golden()[-1][0]


@pytest.fixture(scope="module")
def served(artifact: Artifact) -> Iterator[Predictor]:
    arguments = ("--model_name", artifact.model_name, "--model_version", "7")
    with predictor(artifact.directory, *arguments, grpc=True) as running:
        yield running


def assert_same(got: Batch, want: Batch) -> None:
    assert set(got) == set(want)
    for name, expected in want.items():
        if expected.dtype.kind == "f":
            np.testing.assert_allclose(got[name], expected, rtol=1e-9, err_msg=name)
        else:
            np.testing.assert_array_equal(got[name], expected, err_msg=name)


def rows(batch: Batch) -> int:
    return len(next(iter(batch.values())))


def sent(model: Model, batch: Batch) -> list[Tensor]:
    """The tensors that a client sends: an optional one that is empty is left out."""
    return [t for t in model.input_schema.tensors if batch[t.name].size or not t.optional]


def row(batch: Batch, i: int) -> Batch:
    return {name: values[i : i + 1] for name, values in batch.items()}


def test_golden_requests_are_reproduced(artifact: Artifact, model: Model) -> None:
    assert artifact.replay_golden(model) >= 2


def test_outputs_fit_their_schema(model: Model, batch: Batch) -> None:
    outputs = model.predict(batch)
    assert list(outputs) == list(model.output_schema.names)
    for tensor in model.output_schema.tensors:
        assert len(outputs[tensor.name]) == rows(batch)
        assert tensor.fits(outputs[tensor.name].shape[1:]), tensor.name
        assert outputs[tensor.name].dtype == tensor.dtype


def test_a_batch_equals_its_rows(model: Model, batch: Batch) -> None:
    whole = model.predict(batch)
    for i in range(rows(batch)):
        alone = model.predict(row(batch, i))
        for name, values in whole.items():
            if values.dtype.kind == "f":
                np.testing.assert_allclose(alone[name][0], values[i], rtol=1e-6, err_msg=name)
            else:
                np.testing.assert_array_equal(alone[name][0], values[i], err_msg=name)


def test_predict_is_pure_and_safe_to_call_from_threads(model: Model, batch: Batch) -> None:
    before = {name: values.copy() for name, values in batch.items()}
    want = model.predict(batch)
    with ThreadPoolExecutor(4) as pool:
        for got in pool.map(lambda _: model.predict(batch), range(32)):
            assert_same(got, want)
    for name, values in before.items():
        np.testing.assert_array_equal(batch[name], values)


def test_saved_and_loaded_again_it_answers_the_same(model: Model, batch: Batch, tmp_path: Path) -> None:
    model.save(tmp_path)
    assert {p.suffix for p in tmp_path.rglob("*") if p.is_file()} <= SAFE_SUFFIXES
    assert_same(type(model).load(tmp_path).predict(batch), model.predict(batch))


def test_serving_imports_no_training_library(artifact: Artifact) -> None:
    called = SERVED_WITH.get(get_spec(artifact.model_name).runtime, ())
    code = (
        "import sys; from pathlib import Path; from components.catalog import get_spec\n"
        "from components.registry.artifact import read_artifact\n"
        f"a = read_artifact(Path({str(artifact.directory)!r})); m = a.load_model(get_spec(a.model_name)); a.replay_golden(m)\n"
        f"print(sorted((set({TRAINING_LIBRARIES!r}) - set({called!r})) & set(sys.modules)))"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"


@pytest.mark.parametrize("damage", ["truncated", "changed", "missing", "added"])
def test_a_damaged_artifact_is_refused(artifact: Artifact, tmp_path: Path, damage: str) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(artifact.directory, copy)
    victim = max((p for p in (copy / "model").iterdir() if p.is_file()), key=lambda p: p.stat().st_size)
    content = victim.read_bytes()
    match damage:
        case "truncated":
            victim.write_bytes(content[: len(content) // 2])
        case "changed":
            victim.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
        case "missing":
            victim.unlink()
        case "added":
            victim = copy / "model" / "extra.json"
            victim.write_text("{}")
    with pytest.raises(ArtifactCorrupt, match=victim.name):
        read_artifact(copy)


def test_bad_rows_are_refused(model: Model, batch: Batch) -> None:
    for tensor in model.input_schema.tensors:
        if tensor.dtype.kind == "f" and batch[tensor.name].size:
            spoiled = batch[tensor.name].copy()
            spoiled.reshape(-1)[0] = np.nan
            with pytest.raises(InvalidRequest, match=tensor.name):
                model.input_schema.validate({**batch, tensor.name: spoiled})
        with pytest.raises(InvalidRequest, match=tensor.name):
            model.input_schema.validate({k: v for k, v in batch.items() if k != tensor.name})


def test_the_spec_names_what_exists(artifact: Artifact) -> None:
    spec = get_spec(artifact.model_name)
    assert set(spec.outputs) <= set(artifact.output_schema.names)
    assert spec.explainer.output in artifact.output_schema.names
    known = {f"{t.name}.{c}" for t in artifact.input_schema.tensors for c in t.column_names}
    assert set(spec.drift.columns) <= known


def test_metadata_says_where_it_comes_from(artifact: Artifact) -> None:
    assert artifact.metadata["trained_until"]
    assert artifact.metadata["lineage"]["data_hash"]
    for name, difference in artifact.metadata["parity"].items():
        if isinstance(difference, float):
            assert np.isfinite(difference), name


@pytest.mark.parametrize("binary", [False, True])
def test_served_over_rest_equals_offline(served: Predictor, model: Model, batch: Batch, binary: bool) -> None:
    name = catalogue_name(model)
    with Client(served.url, name) as client:
        answer, parameters = client.infer(batch, binary=binary)
    assert_same(answer, model.predict(batch))
    assert parameters["model_version"] == "7"
    assert parameters["generated_at"]
    assert parameters["disclaimers"]


def test_served_to_triton_http_client_equals_offline(served: Predictor, model: Model, batch: Batch) -> None:
    client = triton_http.InferenceServerClient(served.url.removeprefix("http://"))
    tensors = []
    for tensor in sent(model, batch):
        given = triton_http.InferInput(tensor.name, list(batch[tensor.name].shape), tensor.datatype)
        given.set_data_from_numpy(batch[tensor.name])
        tensors.append(given)
    answer = client.infer(catalogue_name(model), tensors)
    assert_same({name: as_text(answer.as_numpy(name)) for name in model.output_schema.names}, model.predict(batch))


def test_served_to_triton_grpc_client_equals_offline(served: Predictor, model: Model, batch: Batch) -> None:
    inputs = {t.name: (t.datatype, batch[t.name]) for t in sent(model, batch)}
    answer = triton_peer.ask(served.grpc_port, "infer", catalogue_name(model), inputs)
    assert_same({name: as_text(values) for name, values in answer["outputs"].items()}, model.predict(batch))


def test_served_metadata_is_the_schema(served: Predictor, model: Model) -> None:
    client = triton_http.InferenceServerClient(served.url.removeprefix("http://"))
    metadata = client.get_model_metadata(catalogue_name(model))
    for side, schema in (("inputs", model.input_schema), ("outputs", model.output_schema)):
        told = [(t["name"], t["datatype"], t["shape"]) for t in metadata[side]]
        assert told == [(t.name, t.datatype, [-1, *t.shape]) for t in schema.tensors]


def catalogue_name(model: Model) -> str:
    return next(name for name, spec in catalogue().items() if spec.load_model_class() is type(model))


def as_text(values: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Triton's clients give BYTES as bytes."""
    if values.dtype != object:
        return values
    texts = [v.decode() if isinstance(v, bytes) else v for v in values.reshape(-1)]
    return np.array(texts, object).reshape(values.shape)
