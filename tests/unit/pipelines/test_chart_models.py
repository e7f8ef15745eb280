"""The chart's models.yaml follows from the catalogue: it is fresh, the same every time, and sees a model that is added."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import yaml

from components.catalog import catalogue, get_spec
from components.models.spec import DriftSpec, ExplainerSpec, ServingSpec
from pipelines.chart_models import HEADER, chart_models, entry, render_chart_models, write_chart_models

KEPT = Path(__file__).parents[3] / "charts" / "arthaflow" / "models.yaml"


def test_the_file_in_the_chart_is_fresh(tmp_path: Path) -> None:
    made = write_chart_models(tmp_path / "models.yaml").read_text(encoding="utf-8")
    assert KEPT.read_text(encoding="utf-8") == made, "stale: run `make manifests`"


def test_it_is_written_alike_every_time_and_says_where_it_comes_from() -> None:
    assert render_chart_models() == render_chart_models()
    assert render_chart_models().startswith(HEADER)
    assert yaml.safe_load(render_chart_models()) == chart_models()


def test_every_model_of_the_catalogue_is_there_and_no_other() -> None:
    assert list(chart_models()) == list(catalogue())
    bases = [model["base"] for model in chart_models().values()]
    assert len(bases) == len(set(bases))


def test_what_a_spec_asks_for_is_what_the_chart_gets() -> None:
    spec = replace(
        get_spec("price_forecast"),
        runtime="torch",
        feature_service="",
        explainer=ExplainerSpec(kinds=()),
        drift=DriftSpec(detectors=()),
        serving=ServingSpec(cpu="4", memory="8Gi", timeout_s=12.4, accelerator="nvidia.com/mig-1g.18gb", max_batch=32),
    )
    made = entry(spec)
    assert (made["role"], made["cpu"], made["memory"], made["timeout"]) == ("predictor-torch", "4", "8Gi", 13)
    assert (made["accelerator"], made["maxBatch"]) == ("nvidia.com/mig-1g.18gb", 32)
    assert (made["explainer"], made["detector"], made["featureService"]) == (False, False, "")
