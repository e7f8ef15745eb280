"""Every model of the catalogue whose predictions a rollout limits can be rolled out on a cluster."""

from __future__ import annotations

import pytest

from components.catalog import catalogue
from components.models.spec import ModelSpec


@pytest.mark.parametrize("spec", catalogue().values(), ids=lambda spec: spec.name)
def test_limited_predictions_have_a_grid_finer_than_their_tolerance(spec: ModelSpec) -> None:
    if spec.slo.max_distribution_distance >= 1.0:
        return  # not limited: nothing is compared
    assert spec.rollout.bounds is not None, "declare RolloutSpec.bounds, or set max_distribution_distance=1"
    assert spec.rollout.resolution <= max(spec.rollout.tolerance, 0.01 * spec.rollout.bounds[1])
