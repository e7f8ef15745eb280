"""The whole model on a market whose regimes are known, its judge, and its leaks."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from components.data.dataset import Dataset
from components.data.sources import load_market
from components.errors import DataRejected, InvalidRequest
from components.evaluation.judge import Judged
from components.evaluation.splits import walk_forward
from components.features.price import compute_features
from components.models.markets.market_regime.claims import claims, deepest_drawdown
from components.models.markets.market_regime.course import characterise, count_spells, count_transitions
from components.models.markets.market_regime.data import build_dataset
from components.models.markets.market_regime.dating import BEAR, BULL
from components.models.markets.market_regime.judge import JUDGE
from components.models.markets.market_regime.model import MarketRegime
from components.models.markets.market_regime.observations import USED, weekly

Parts = tuple[Dataset, Dataset, Dataset]


def judged(model: MarketRegime, parts: Parts) -> Judged:
    train, _, test = parts
    outputs = model.predict(test.inputs)
    rivals = {name: answer(train, test) for name, answer in JUDGE.baselines.items()}
    losses = {name: JUDGE.loss(answer, test) for name, answer in rivals.items()}
    return Judged(test, outputs, rivals, JUDGE.loss(outputs, test), losses, np.zeros(len(test), dtype=np.int64))


def test_it_finds_the_regimes_of_a_market_that_has_them(fitted: MarketRegime, halves: Parts) -> None:
    made = judged(fitted, halves)
    assert made.loss.mean() < min(made.baseline_losses[n].mean() for n in ("unconditional", "last_state"))
    verdicts = {claim.name: claim for claim in claims(made)}
    assert verdicts["agreement_bear"].passed
    assert verdicts["volatility_ratio"].passed
    assert verdicts["volatility_ratio"].statistic == pytest.approx(0.02 / 0.006, rel=0.35)
    assert verdicts["drawdown_cut"].passed


def test_regimes_are_described_as_they_are(fitted: MarketRegime, halves: Parts) -> None:
    out = fitted.predict(halves[2].inputs)
    volatility, mean = out["regime_volatility"][0], out["regime_return"][0]
    assert volatility[BEAR] > 1.5 * volatility[BULL]
    assert mean[BEAR] < 0 < mean[BULL]
    np.testing.assert_allclose(out["probabilities"].sum(axis=1), 1)
    np.testing.assert_allclose(out["transition"].sum(axis=1), 1)
    assert ((out["volatility"] >= volatility.min() - 1e-9) & (out["volatility"] <= volatility.max() + 1e-9)).all()
    assert set(out["regime"]) <= {"bull", "sideways", "bear"}


def test_truncating_the_future_changes_nothing_that_is_served(
    fitted: MarketRegime, market_bars: pd.DataFrame, market_features: pd.DataFrame
) -> None:
    now = market_features["timestamp"].iloc[3777]
    context = load_market("a file").astype({"timestamp": "datetime64[ns]"})
    truncated = compute_features(market_bars[market_bars["timestamp"] <= now], context)
    answers = []
    for frame in (market_features, truncated):
        row = frame[frame["timestamp"] == now]
        window = np.array(row["window"].tolist(), dtype=np.float32).reshape(1, 60, 5)
        answers.append(fitted.predict({"features": row[list(USED)].to_numpy(float), "window": window}))
    np.testing.assert_array_equal(answers[0]["probabilities"], answers[1]["probabilities"])
    np.testing.assert_array_equal(answers[0]["states"], answers[1]["states"])


def test_served_states_are_not_smoothed_ones(fitted: MarketRegime, regimes: Dataset) -> None:
    from hmmlearn.hmm import GaussianHMM  # type: ignore[import-untyped]

    hidden = fitted.member.hidden  # type: ignore[attr-defined]
    smoother = GaussianHMM(3, "full")
    smoother.startprob_, smoother.transmat_ = hidden.stationary, hidden.transition
    smoother.means_, smoother.covars_ = hidden.means, hidden.covariances
    weeks = weekly(regimes.inputs["window"])[::5, -1]
    served = fitted.predict(regimes.inputs)["states"][::5]
    smoothed = smoother.predict_proba(weeks)
    assert np.abs(smoothed - served).max() > 0.5, "what is served would be smoothed, and would know the future"


def test_no_training_row_was_certain_only_after_its_part(regimes: Dataset) -> None:
    for fold in walk_forward(regimes).folds:
        begin = regimes.times[fold.test].min()
        assert (regimes.label_times[fold.train] < begin).all()
        assert (regimes.label_times[fold.validation] < begin).all()
    lag = regimes.label_times - regimes.times
    assert lag.min() > np.timedelta64(0)
    assert lag.max() > np.timedelta64(60, "D"), "dates that are certain at once would be no ex-post dates"


def test_baselines_do_not_read_the_test_rows_targets(halves: Parts) -> None:
    train, _, test = halves
    blind = replace(test, targets={name: values * 0 for name, values in test.targets.items()})
    for answer in JUDGE.baselines.values():
        np.testing.assert_array_equal(answer(train, test)["probabilities"], answer(train, blind)["probabilities"])


def test_a_batch_answers_as_its_rows_and_as_it_was_saved(fitted: MarketRegime, halves: Parts, tmp_path: Path) -> None:
    inputs = {name: values[:7] for name, values in halves[2].inputs.items()}
    batch = fitted.predict(inputs)
    fitted.save(tmp_path)
    again = MarketRegime.load(tmp_path).predict(inputs)
    for name in ("probabilities", "switch_probability", "states"):
        rows = [fitted.predict({k: v[i : i + 1] for k, v in inputs.items()})[name][0] for i in range(7)]
        np.testing.assert_allclose(batch[name], np.array(rows), rtol=1e-12, atol=1e-15)
        np.testing.assert_array_equal(batch[name], again[name])


def test_a_price_of_zero_is_refused(fitted: MarketRegime, halves: Parts) -> None:
    inputs = {name: values[:1].copy() for name, values in halves[2].inputs.items()}
    inputs["features"][0, USED.index("sma_200")] = 0.0
    with pytest.raises(InvalidRequest, match="sma_200"):
        fitted.input_schema.validate(inputs)


def test_a_market_without_swings_is_refused(market_features: pd.DataFrame, market_bars: pd.DataFrame) -> None:
    flat = market_bars.assign(close=100.0)
    with pytest.raises(DataRejected, match="certain"):
        build_dataset(market_features, flat, ())


def test_transitions_and_spells_are_counted_within_an_entity() -> None:
    regime, names = np.array([0, 0, 2, 2, 0, 1]), np.array(["a"] * 4 + ["b"] * 2)
    expected = np.array([[1 + 1, 1 + 1, 1 + 1], [1, 1, 1], [1, 1, 1 + 1]], dtype=float)
    np.testing.assert_allclose(count_transitions(regime, names), expected / expected.sum(axis=1, keepdims=True))
    assert count_spells(regime, names) == 2


def test_character_is_the_moments_of_each_regime() -> None:
    chance = np.eye(3)[[0, 0, 1, 1, 2, 2]]
    volatility, mean = characterise(chance, np.array([0.01, 0.03, 0.0, 0.0, -0.05, 0.05]))
    np.testing.assert_allclose(mean, [252 * 0.02, 0, 0], atol=1e-12)
    np.testing.assert_allclose(volatility, np.sqrt(252) * np.array([0.01, 0.0, 0.05]), atol=1e-12)


def test_the_deepest_drawdown_starts_at_the_first_value() -> None:
    assert deepest_drawdown(np.array([-0.5, 1.0, 0.2, -0.25])) == pytest.approx(0.5)
    assert deepest_drawdown(np.array([0.1, 0.1])) == 0
