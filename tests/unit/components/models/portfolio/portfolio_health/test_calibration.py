"""Blend, interval and confidence on errors whose truth is known."""

from __future__ import annotations

import numpy as np
import pytest

from components.evaluation.calibration import reliability
from components.models.contract import FloatArray
from components.models.portfolio.portfolio_health.calibration import Calibration, calibrate, disagreement

Drawn = tuple[dict[str, FloatArray], FloatArray]


def draw(rows: int, seed: int, forest: float, network: float) -> Drawn:
    """Members with independent errors of known size around a truth; where they differ more, both are worse."""
    rng = np.random.default_rng(seed)
    truth = rng.uniform(30, 70, (rows, 4))
    size = rng.choice([0.5, 2.0], rows)[:, None]
    members = {
        "forest": truth + forest * size * rng.standard_normal((rows, 4)),
        "network": truth + network * size * rng.standard_normal((rows, 4)),
    }
    return members, truth + 1.5 * rng.standard_normal((rows, 4))


def test_weights_are_inverse_to_the_variances() -> None:
    members, ratings = draw(40_000, 1, 2.0, 1.0)
    np.testing.assert_allclose(calibrate(members, ratings, 0.9, 5).weights, 0.2, atol=0.02)


def test_a_member_that_only_harms_gets_nothing_and_weights_stay_shares() -> None:
    members, ratings = draw(4000, 2, 1.0, 1.0)
    members["forest"] = 100 - members["network"]
    found = calibrate(members, ratings, 0.9, 5)
    assert (found.weights >= 0).all()
    assert found.weights.max() < 0.05


def test_the_interval_covers_and_confidence_is_calibrated_on_fresh_rows() -> None:
    found = calibrate(*draw(4000, 3, 6.0, 6.0), 0.9, 3)
    members, ratings = draw(20_000, 4, 6.0, 6.0)
    error = np.abs(found.blend(members).mean(axis=1) - ratings.mean(axis=1))
    expected = found.expected_error(members)
    assert np.mean(error <= found.width * expected) == pytest.approx(0.9, abs=0.015)
    told = reliability(found.confidence(expected), error <= 3)
    assert told["ece"] < 0.03
    # It tells portfolios apart: the least certain tenth is far less often right than the most certain.
    assert told["bins"][-1]["frequency"] - told["bins"][0]["frequency"] > 0.2


def test_more_disagreement_never_means_more_confidence() -> None:
    found = calibrate(*draw(2000, 5, 3.0, 3.0), 0.9, 3)
    gaps = np.linspace(0, 60, 50)[:, None] * np.ones(4)
    members = {"forest": 50 + gaps / 2, "network": 50 - gaps / 2}
    assert (np.diff(disagreement(members)) > 0).all()
    assert (np.diff(found.confidence(found.expected_error(members))) <= 0).all()


def test_confidence_is_finite_when_every_answer_was_right() -> None:
    members, _ = draw(300, 6, 0.1, 0.1)
    found = calibrate(members, members["forest"], 0.9, 5)
    confidence = found.confidence(found.expected_error(members))
    assert np.isfinite(confidence).all()
    assert confidence.min() > 0.9


def test_it_survives_its_dictionary() -> None:
    members, ratings = draw(200, 7, 2.0, 1.0)
    found = calibrate(members, ratings, 0.9, 5)
    again = Calibration.from_dict(found.to_dict())
    np.testing.assert_array_equal(again.blend(members), found.blend(members))
    np.testing.assert_array_equal(again.expected_error(members), found.expected_error(members))
