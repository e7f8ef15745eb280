"""Training, evaluation and assembly of a model that knows no prices: one candidate, one target, no interval."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import pytest

from components.data.dataset import Dataset
from components.errors import ArtifactCorrupt, ConfigurationError, UnknownModel
from components.evaluation.gate import decide
from components.evaluation.splits import Folds, walk_forward
from components.models.contract import Candidate, FloatArray, Model, Outputs
from components.models.schema import Batch, Column, Schema, Tensor
from components.models.spec import GateSpec, ModelSpec
from components.registry.artifact import read_artifact
from components.training import assemble, evaluate, train_candidate

COLUMNS = (Column("a"), Column("b"))


@dataclass(frozen=True)
class DummyParams:
    intercept: bool = True
    power: float = 1.0


class LeastSquares:
    weights: FloatArray

    def fit(self, train: Dataset, validation: Dataset) -> Self:
        self.weights = np.linalg.lstsq(train.inputs["x"], train.targets["y"], rcond=None)[0]
        return self

    def predict(self, inputs: Batch) -> FloatArray:
        return (inputs["x"][:, :, None] * self.weights).sum(axis=1)

    def save(self, directory: Path) -> None:
        (directory / "weights.json").write_text(json.dumps(self.weights.tolist()))


class Dummy(Model):
    Params: ClassVar[type] = DummyParams
    weights: FloatArray
    input_schema = Schema((Tensor("x", "FP64", (2,), COLUMNS),))
    output_schema = Schema((Tensor("prediction", "FP64", (1,)),))

    @classmethod
    def candidates(cls, params: Any) -> Mapping[str, Callable[[], Candidate]]:
        return {"least_squares": LeastSquares}

    def combine(self, predictions: Mapping[str, FloatArray], validation: Dataset) -> Self:
        return self

    def finish(self, predictions: Mapping[str, FloatArray], inputs: Batch) -> Outputs:
        return {"prediction": predictions["least_squares"]}

    def predict(self, inputs: Batch) -> Outputs:
        return {"prediction": (inputs["x"][:, :, None] * self.weights).sum(axis=1)}

    def adopt(self, directories: Mapping[str, Path]) -> Self:
        return self._read(directories["least_squares"])

    def save(self, directory: Path) -> None:
        (directory / "weights.json").write_text(json.dumps(self.weights.tolist()))

    @classmethod
    def load(cls, directory: Path) -> Self:
        return cls()._read(directory)

    def _read(self, directory: Path) -> Self:
        self.weights = np.array(json.loads((directory / "weights.json").read_text()))
        return self


SPEC = ModelSpec(
    name="dummy",
    title="Dummy",
    summary="",
    owner="",
    data_licence="",
    model=f"{__name__}:Dummy",
    target="y",
    horizons=("y",),
    gate=GateSpec(metric="rmse"),
)


@pytest.fixture
def data() -> Dataset:
    rng = np.random.default_rng(2)
    x = rng.normal(size=(900, 2))
    times = np.datetime64("2010-01-01", "ns") + np.arange(901) * np.timedelta64(1, "D")
    y = x @ [[1.0], [-0.5]] + rng.normal(size=(900, 1))
    return Dataset({"x": x}, {"y": y}, times[:-1], times[1:], np.full(900, "A", dtype=object))


@pytest.fixture
def folds(data: Dataset) -> Folds:
    return walk_forward(data)


@pytest.fixture
def trained(data: Dataset, folds: Folds, tmp_path: Path) -> dict[str, Path]:
    train_candidate(SPEC, "least_squares", data, folds, tmp_path / "c", {})
    return {"least_squares": tmp_path / "c"}


def test_the_whole_way(data: Dataset, folds: Folds, trained: dict[str, Path], tmp_path: Path) -> None:
    evaluation = evaluate(SPEC, data, folds, trained, {}, None)
    told = evaluation.to_dict()
    json.dumps(told, allow_nan=False)
    assert told["gate"]["baseline"] == "training_mean"
    assert told["gate"]["coverage"] is None
    assert told["horizons"]["y"]["rmse"] == pytest.approx(1, abs=0.1)
    assert told["horizons"]["y"]["baselines"]["training_mean"]["rmse"] > 1.3
    verdict = decide(SPEC, told)
    assert verdict.promote, verdict.reason
    frame = evaluation.backtest
    assert list(frame.columns) == [
        *("time", "entity", "horizon", "fold", "current", "actual", "point", "lower", "upper"),
        *("rw_lower", "rw_upper", "regime"),
    ]
    assert len(frame) == sum(len(f.test) for f in folds.folds)

    artifact = assemble(SPEC, data, folds, trained, {}, {"note": 1}, tmp_path / "artifact")
    assert artifact.metadata["note"] == 1
    assert artifact.metadata["parity"]["prediction"]["max_abs"] < 1e-12
    assert artifact.replay_golden(artifact.load_model(SPEC)) == 6
    assert len(Dataset.read(tmp_path / "artifact" / "model" / "background.parquet")) == 64
    assert read_artifact(tmp_path / "artifact").metadata["trained_until"] == str(
        data.label_times.max().astype("datetime64[s]")
    )


def test_production_is_compared_on_rows_after_its_training(
    data: Dataset, folds: Folds, trained: dict[str, Path], tmp_path: Path
) -> None:
    early = data.take(np.arange(700))
    early_folds = walk_forward(early)
    train_candidate(SPEC, "least_squares", early, early_folds, tmp_path / "early", {})
    old = tmp_path / "old"
    assemble(SPEC, early, early_folds, {"least_squares": tmp_path / "early"}, {}, {}, old)
    told = evaluate(SPEC, data, folds, trained, {}, old).to_dict()["production"]
    assert told["compared"]
    assert told["rows"] == int((data.times > np.datetime64(told["trained_until"])).sum())
    assert abs(told["loss"]) < 0.05

    new = tmp_path / "new"
    assemble(SPEC, data, folds, trained, {}, {}, new)
    told = evaluate(SPEC, data, folds, trained, {}, new).to_dict()["production"]
    assert not told["compared"]
    assert "only 0 out-of-sample rows follow its training" in told["reason"]


def test_noise_does_not_pass_the_gate(data: Dataset, tmp_path: Path) -> None:
    noise = Dataset(
        data.inputs,
        {"y": np.random.default_rng(9).normal(size=(900, 1))},
        data.times,
        data.label_times,
        data.entities,
    )
    folds = walk_forward(noise)
    train_candidate(SPEC, "least_squares", noise, folds, tmp_path / "c", {})
    told = evaluate(SPEC, noise, folds, {"least_squares": tmp_path / "c"}, {}, None).to_dict()
    assert not decide(SPEC, told).promote


def test_predictions_of_another_split_are_refused(data: Dataset, trained: dict[str, Path]) -> None:
    other = walk_forward(data, folds=2)
    with pytest.raises(ArtifactCorrupt, match="Train the candidate on the same folds"):
        evaluate(SPEC, data, other, trained, {}, None)


def test_a_truncated_prediction_file_is_refused(data: Dataset, folds: Folds, trained: dict[str, Path]) -> None:
    path = trained["least_squares"] / "predictions.parquet"
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(ArtifactCorrupt, match="Train the candidate again"):
        evaluate(SPEC, data, folds, trained, {}, None)


def test_unknown_names_are_named(data: Dataset, folds: Folds, tmp_path: Path) -> None:
    with pytest.raises(UnknownModel, match="least_squares"):
        train_candidate(SPEC, "nets", data, folds, tmp_path / "x", {})
    with pytest.raises(ConfigurationError, match="Did you mean 'intercept'"):
        train_candidate(SPEC, "least_squares", data, folds, tmp_path / "x", {"intercep": True})
    with pytest.raises(ConfigurationError, match="is a str"):
        train_candidate(SPEC, "least_squares", data, folds, tmp_path / "x", {"power": "high"})
    assert not (tmp_path / "x").exists()
