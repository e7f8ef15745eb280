"""The written Experiments: fresh, accepted by the strict schema, and without anything left to fill in."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from components.catalog import catalogue
from components.tuning.katib_rules import problems
from components.tuning.space import has_space
from pipelines.experiments import write_experiments
from tests.support.manifests import findings, needs_validator

FOLDER = Path(__file__).parents[3] / "manifests" / "katib"


def test_the_files_are_fresh(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ARTHAFLOW_IMAGE_REGISTRY", "registry.example/elsewhere")
    (tmp_path / "gone.yaml").write_text("stale")
    written = write_experiments(tmp_path)
    assert {p.name: p.read_text() for p in tmp_path.iterdir()} == {p.name: p.read_text() for p in FOLDER.iterdir()}, (
        "run `make manifests`"
    )
    assert {p.stem for p in written} == {n.replace("_", "-") for n, s in catalogue().items() if has_space(s)}


@needs_validator
@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.yaml")), ids=lambda p: p.stem)
def test_an_api_server_with_a_strict_schema_takes_them(path: Path) -> None:
    assert findings(path.read_text()) == []


@needs_validator
@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("parallelTrialCount", "paralelTrialCount"),
        ("objectiveMetricName", "objectiveMetric"),
        ("feasibleSpace", "feasibleRange"),
        ("backoffLimit", "backOffLimit"),
        ("readOnlyRootFilesystem", "readOnlyRootFileSystem"),
        ("maxTrialCount: 12", "maxTrialCount: many"),
    ],
)
def test_a_misspelt_field_is_found(right: str, wrong: str) -> None:
    text = (FOLDER / "price-forecast.yaml").read_text()
    assert right in text
    assert findings(text.replace(right, wrong, 1))


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.yaml")), ids=lambda p: p.stem)
def test_katibs_webhook_would_take_them_and_nothing_is_left_to_fill_in(path: Path) -> None:
    text = path.read_text()
    assert list(problems(yaml.safe_load(text))) == []
    assert "TODO" not in text
    assert "<" not in text
