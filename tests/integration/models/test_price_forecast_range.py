"""The grid that price_forecast declares for rollouts holds what the trained model really predicts."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from components.catalog import get_spec
from components.data.dataset import Dataset
from inference.compared import Rows, compared_for
from inference.served_model import load_served
from inference.v2.request import InferRequest


@pytest.mark.slow
def test_real_predictions_lie_inside_the_grid_and_fill_several_steps(
    trained: Callable[[str], Any], trained_home: Path
) -> None:
    trained("price_forecast")
    (artifact,) = {m.parent for m in (trained_home / "artifacts" / "price_forecast").glob("*/manifest.json")}
    served = load_served(artifact, "", "")
    inputs = Dataset.read(artifact / "model" / "reference.parquet").inputs
    rows = len(inputs["features"])
    compared = compared_for(get_spec("price_forecast"), served.artifact.input_schema, served.artifact.output_schema)
    assert compared is not None
    asked, answered = Rows(inputs), Rows(served.predict(inputs, rows))
    for row in range(rows):
        asked.start = answered.start = row
        compared.observe(InferRequest("", [], []), asked, answered)
    assert (compared.outside, compared.unusable, sum(compared.histogram.counts)) == (0, 0, rows)
    assert np.count_nonzero(compared.histogram.counts) >= 3
