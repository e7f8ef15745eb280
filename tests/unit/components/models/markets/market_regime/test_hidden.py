"""The forward filter against hmmlearn's, and that it never looks ahead."""

import numpy as np
import pytest
from hmmlearn.hmm import GaussianHMM  # type: ignore[import-untyped]

from components.errors import DataRejected
from components.models.markets.market_regime.hidden import HiddenStates
from components.models.markets.market_regime.learning import learn_states

STATES = HiddenStates(
    np.array([[0.1, -5.0], [0.0, -4.5], [-0.3, -3.8]]),
    np.array([[[0.2, 0.01], [0.01, 0.1]], [[0.6, -0.1], [-0.1, 0.12]], [[2.0, -0.2], [-0.2, 0.2]]]),
    np.array([[0.95, 0.04, 0.01], [0.05, 0.9, 0.05], [0.01, 0.09, 0.9]]),
)


def oracle() -> GaussianHMM:
    model = GaussianHMM(3, "full")
    model.startprob_, model.transmat_ = STATES.stationary, STATES.transition
    model.means_, model.covars_ = STATES.means, STATES.covariances
    return model


@pytest.fixture(scope="module")
def path() -> np.ndarray:
    return np.asarray(oracle().sample(400, random_state=3)[0])


def test_the_long_run_shares_stay_as_they_are() -> None:
    np.testing.assert_allclose(STATES.stationary @ STATES.transition, STATES.stationary, atol=1e-12)
    assert STATES.stationary.sum() == pytest.approx(1)


@pytest.mark.parametrize("end", [1, 2, 40, 400])
def test_the_filter_is_hmmlearns_posterior_of_the_last_step(path: np.ndarray, end: int) -> None:
    # Nothing follows the last step, so its smoothed probability is the filtered one.
    expected = oracle().predict_proba(path[:end])[-1]
    np.testing.assert_allclose(STATES.filter(path[None, :end])[0], expected, atol=1e-9)


def test_smoothed_probabilities_look_ahead_and_are_not_what_the_filter_says(path: np.ndarray) -> None:
    smoothed = oracle().predict_proba(path)
    filtered = np.concatenate([STATES.filter(path[None, : i + 1]) for i in range(len(path))])
    assert np.abs(smoothed[-1] - filtered[-1]).max() < 1e-9
    assert np.abs(smoothed[:-1] - filtered[:-1]).max() > 0.3


def test_a_far_observation_does_not_break_the_filter() -> None:
    found = STATES.filter(np.full((1, 11, 2), 400.0))
    assert np.isfinite(found).all()
    assert found.sum() == pytest.approx(1)


def test_states_are_learned_back_in_order_of_volatility(path: np.ndarray) -> None:
    long = np.asarray(oracle().sample(4000, random_state=9)[0])
    learned = learn_states([long[:2000], long[2000:]], 3, 3, 5.0, seed=1)
    np.testing.assert_allclose(learned.means[:, 1], STATES.means[:, 1], atol=0.1)
    np.testing.assert_allclose(np.diag(learned.transition), np.diag(STATES.transition), atol=0.05)


def test_learning_is_repeatable(path: np.ndarray) -> None:
    first, second = (learn_states([path], 2, 2, 5.0, seed=4) for _ in range(2))
    assert first.to_dict() == second.to_dict()


def test_too_little_history_is_refused() -> None:
    with pytest.raises(DataRejected, match="12 weeks"):
        learn_states([np.zeros((12, 2))], 3, 1, 5.0, seed=0)
