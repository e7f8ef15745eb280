"""A model that joins the catalogue joins the chart, with nothing else edited: what its spec asks for, it gets."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from components.catalog import get_spec
from components.models.spec import DriftSpec, ExplainerSpec, ModelSpec, ServingSpec
from pipelines.chart_models import chart_models, entry
from tests.support.chart import SERVED, merged
from tests.support.helm import AUTH, CHART, find, helm, objects
from tests.support.manifests import findings, needs_validator

STORE = "s3://arthaflow/artifacts"
OTHERS: dict[str, ModelSpec] = {
    "sentiment": replace(
        get_spec("price_forecast"),
        name="sentiment",
        runtime="text",
        feature_service="",
        explainer=ExplainerSpec(kinds=()),
        drift=DriftSpec(detectors=()),
        serving=ServingSpec(cpu="4", memory="12Gi", accelerator="nvidia.com/mig-1g.18gb", timeout_s=5),
    ),
    "a_model_with_a_name_that_goes_on_for_a_while": replace(get_spec("price_forecast"), name="long"),
}


def serve(name: str) -> dict[str, Any]:
    return {"models": {name: {"version": "1", "artifact": f"{STORE}/{name}/x/"}}}


@pytest.fixture
def grown(tmp_path: Path) -> Path:
    """The chart as `make manifests` writes it when the catalogue has more models."""
    chart = tmp_path / "arthaflow"
    shutil.copytree(CHART, chart)
    models = chart_models() | {n: entry(s) | {"base": n.replace("_", "-")} for n, s in OTHERS.items()}
    (chart / "models.yaml").write_text(yaml.safe_dump(models), encoding="utf-8")
    return chart


def rendered(chart: Path, *values: dict[str, Any]) -> subprocess.CompletedProcess[str]:
    file = chart.parent / "values.yaml"
    file.write_text(yaml.safe_dump(merged(*values)), encoding="utf-8")
    return helm("template", "af", str(chart), "-n", "ml", "--kube-version", "1.34.0", "-f", str(AUTH), "-f", str(file))


@needs_validator
def test_two_models_are_served_side_by_side(grown: Path) -> None:
    text = rendered(grown, SERVED, serve("sentiment"), {"gpu": {"enabled": True}}).stdout
    assert findings(text) == []
    names = [o["metadata"]["name"] for o in objects(text) if o["kind"] == "InferenceService"]
    assert names == ["price-forecast-detector", "price-forecast-v1", "sentiment-v1"]
    assert [
        o["metadata"]["name"]
        for o in objects(text)
        if o["kind"] == "HTTPRoute" and "arthaflow.io/model" in o["metadata"]["labels"]
    ] == [
        "price-forecast",
        "sentiment",
    ]
    predictor = find(text, "InferenceService", "sentiment-v1")["spec"]
    assert set(predictor) == {"predictor"}
    assert "logger" not in predictor["predictor"]
    container = predictor["predictor"]["containers"][0]
    assert container["image"] == "arthaflow/predictor-text:0.1.0"
    assert container["resources"]["limits"] == {"cpu": "4", "memory": "12Gi", "nvidia.com/mig-1g.18gb": "1"}


def test_a_spec_that_needs_an_accelerator_is_not_served_without_one(grown: Path) -> None:
    done = rendered(grown, serve("sentiment"))
    assert "models.sentiment.gpu: false to serve it on CPUs" in done.stderr
    on_cpu = rendered(grown, serve("sentiment"), {"models": {"sentiment": {"gpu": False}}}).stdout
    limits = find(on_cpu, "InferenceService", "sentiment-v1")["spec"]["predictor"]["containers"][0]["resources"][
        "limits"
    ]
    assert set(limits) == {"cpu", "memory"}


@pytest.mark.parametrize("part", ["explainer", "detector", "transformer"])
def test_what_a_spec_does_not_have_cannot_be_asked_for(grown: Path, part: str) -> None:
    own = {"models": {"sentiment": {part: True}}, "gpu": {"enabled": True}}
    done = rendered(grown, serve("sentiment"), own, {"transformers": {"enabled": True, "secret": "s"}})
    assert f"models.sentiment.{part} is true, but the model's spec asks for none." in done.stderr


def test_a_name_that_leaves_kserve_no_room_is_refused(grown: Path) -> None:
    done = rendered(grown, serve("a_model_with_a_name_that_goes_on_for_a_while"))
    assert "has 47 characters, and KServe needs room for its suffixes; 40 is the most." in done.stderr


def test_an_unknown_name_is_answered_with_the_known_ones(grown: Path) -> None:
    done = rendered(grown, serve("sentiments"))
    assert "models.sentiments: the catalogue has no such model; it has a_model_with" in done.stderr
    assert "sentiment, volatility." in done.stderr
