"""Exact TreeSHAP from a real explainer, of a served XGBoost model whose artifact holds its trees."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import numpy as np
import pytest

from components import models
from components.catalog import catalogue, get_spec
from components.registry.artifact import write_artifact, write_manifest
from tests.support.predictor import predictor
from tests.support.surroundings import Server, server
from tests.support.tiny import VARIABLE

pytest.importorskip("xgboost")
pytestmark = pytest.mark.slow
ROOMS = Path(__file__).parents[3] / "benchmarks" / "rooms"
NAME = "bench_trees"


@pytest.fixture(scope="module")
def artifact(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A small one of the benchmark's boosted trees, with background rows; its room stays on the model path."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(models, "__path__", [*models.__path__, str(ROOMS)])
        patch.setenv(VARIABLE, str(ROOMS))
        catalogue.cache_clear()
        spec = get_spec(NAME)
        from components.models.bench.bench_trees.data import make_dataset
        from components.models.bench.bench_trees.model import BoostedTrees, Params, Trees

        data = make_dataset(2000)
        rows = np.arange(len(data))
        train, validation = data.take(rows[:1000]), data.take(rows[1000:])
        directory, exported = tmp_path_factory.mktemp("trees") / NAME, tmp_path_factory.mktemp("exported")
        Trees(Params(trees=20, depth=3)).fit(train, validation).save(exported)
        made = BoostedTrees().adopt({"model": exported})
        write_artifact(directory, spec, made, {k: v[:2] for k, v in validation.inputs.items()}, {"version": "1"})
        train.take(rows[:64]).write(directory / "model" / "background.parquet")
        write_manifest(directory, spec.name)
        yield directory
    catalogue.cache_clear()


@pytest.fixture(scope="module")
def explainer(artifact: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with predictor(artifact) as running:
        known = ("--artifact", artifact, "--model_name", NAME, "--predictor_host", f"127.0.0.1:{running.port}")
        with server("explainer", tmp_path_factory.mktemp("logs"), *known) as explaining:
            yield explaining


def test_a_served_ensemble_is_explained_exactly(explainer: Server, artifact: Path) -> None:
    import xgboost

    from components.data.dataset import Dataset

    row = Dataset.read(artifact / "model" / "background.parquet").inputs["features"][:1]
    body = {"instances": [{"features": row[0].tolist()}], "parameters": {"kind": "tree_shap"}}
    told = httpx.post(f"{explainer.url}/v1/models/{NAME}:explain", json=body, timeout=60)
    assert told.status_code == 200, told.text
    (answer,) = told.json()["explanations"]
    booster = xgboost.Booster(model_file=str(artifact / "model" / "model.ubj"))
    expected = booster.predict(xgboost.DMatrix(row), pred_contribs=True)[0]
    found = [a["attribution"] for a in sorted(answer["attributions"], key=lambda a: -abs(a["attribution"]))]
    assert found == pytest.approx(sorted(expected[:-1].tolist(), key=lambda v: -abs(v)), abs=1e-5)
    assert answer["base_value"] == pytest.approx(float(expected[-1]), abs=1e-5)
    assert answer["unit"] == "log-odds"
    assert answer["additivity"]["holds"]
    probability = 1.0 / (1.0 + np.exp(-answer["prediction"]))
    assert answer["served_prediction"] == pytest.approx(probability, abs=1e-5)
