"""The volatility forecast on data whose variance is known: skill, level, coverage, invariants, bad input."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from components.data.dataset import Dataset
from components.errors import ConfigurationError, InvalidRequest
from components.evaluation.hypothesis_tests import diebold_mariano
from components.models.markets.volatility import judge
from components.models.markets.volatility.model import Volatility
from components.models.markets.volatility.params import Params
from components.models.markets.volatility.qlike import qlike

Parts = tuple[Dataset, Dataset, Dataset]


@pytest.fixture(scope="module")
def outputs(model: Volatility, parts: Parts) -> dict[str, np.ndarray]:
    return model.predict(parts[2].inputs)


def test_it_beats_garch_against_the_true_variance(
    outputs: dict[str, np.ndarray], parts: Parts, simulated: tuple[pd.DataFrame, pd.DataFrame]
) -> None:
    # The truth, not the proxy that the model learned from: tomorrow's variance of the simulator.
    truth = simulated[1].set_index("timestamp")["variance"].shift(-1).reindex(parts[2].times).to_numpy()
    history = parts[0]
    garch = judge.garch_t(history, parts[2])["variance"][:, 0]
    ours, theirs = qlike(truth, outputs["variance"][:, 0]), qlike(truth, garch)
    result = diebold_mariano(ours, theirs)
    assert ours.mean() < 0.8 * theirs.mean()
    assert result.p_value is not None
    assert result.p_value < 0.01


def test_mean_and_median_have_the_right_level(outputs: dict[str, np.ndarray], parts: Parts) -> None:
    came = judge.realised_volatility(parts[2])
    ratio = np.median(outputs["volatility"] / came, axis=0)
    assert np.abs(ratio - 1).max() < 0.1
    # What QLIKE sets to one: the mean ratio of realised to forecast variance.
    mean = (parts[2].targets["realised_variance"] / outputs["variance"]).mean(axis=0)
    # There are but forty months of 21 days in these rows.
    assert (np.abs(mean - 1) < [0.1, 0.12, 0.25]).all()
    # Realised variance is skewed, so its mean is above its median.
    assert (outputs["variance"] * 252 > (outputs["volatility"] / 100) ** 2).mean() > 0.9


def test_intervals_cover_and_confidence_is_calibrated(outputs: dict[str, np.ndarray], parts: Parts) -> None:
    came = judge.realised_volatility(parts[2])
    inside = (outputs["lower"] <= came) & (came <= outputs["upper"])
    assert np.abs(inside.mean(axis=0) - 0.9).max() < 0.08
    within = np.abs(came / outputs["volatility"] - 1) <= Params().tolerance
    assert np.abs(within.mean(axis=0) - outputs["confidence"].mean(axis=0)).max() < 0.12


def test_outputs_fit_their_schema_and_each_other(
    model: Volatility, outputs: dict[str, np.ndarray], parts: Parts
) -> None:
    model.output_schema.validate(outputs)
    assert (outputs["lower"] < outputs["volatility"]).all()
    assert (outputs["volatility"] < outputs["upper"]).all()
    assert (np.diff(outputs["cone"], axis=-1) >= 0).all()
    below_all = outputs["volatility"] < outputs["cone"][..., 0]
    assert (outputs["percentile"][below_all] <= 6).all()
    assert below_all.any()


def test_a_batch_equals_its_rows_and_save_its_load(model: Volatility, parts: Parts, tmp_path: Path) -> None:
    few = {name: values[:7] for name, values in parts[2].inputs.items()}
    want = model.predict(few)
    model.save(tmp_path)
    loaded = Volatility.load(tmp_path)
    for i in range(7):
        got = loaded.predict({name: values[i : i + 1] for name, values in few.items()})
        for name, values in want.items():
            np.testing.assert_allclose(got[name][0], values[i], rtol=1e-12, err_msg=name)


def test_training_twice_gives_the_same_model(parts: Parts) -> None:
    few = [part.take(np.arange(0, len(part))) for part in parts[:2]]
    one, two = (Volatility(Params(tree_rounds=5)).fit(*few).predict(parts[2].inputs) for _ in range(2))
    np.testing.assert_array_equal(one["variance"], two["variance"])


def test_realised_variances_take_the_place_of_the_ranges(model: Volatility, parts: Parts) -> None:
    row = {name: values[:1] for name, values in parts[2].inputs.items()}
    without = {name: values for name, values in row.items() if name != "realised"}
    np.testing.assert_array_equal(model.predict(row)["volatility"], model.predict(without)["volatility"])
    calm, wild = (model.predict({**row, "realised": np.full((1, 60), v)}) for v in (2e-5, 8e-4))
    assert (wild["volatility"] > 1.3 * calm["volatility"]).all()
    assert calm["current_volatility"][0] == pytest.approx(100 * np.sqrt(252 * 2e-5))


@pytest.mark.parametrize("wick", [0.1, 0.3, 0.5])
def test_a_securitys_past_is_told_on_its_own_level(model: Volatility, parts: Parts, wick: float) -> None:
    """However wide its ranges are for its returns, what is told of its past is the size of its returns."""
    row = {name: values[:1].copy() for name, values in parts[2].inputs.items()}
    moves = np.random.default_rng(3).normal(0, 0.01, 60)
    close = np.cumsum(moves)
    open_ = close - moves
    high, low = np.maximum(open_, close) + wick * abs(moves), np.minimum(open_, close) - wick * abs(moves)
    row["window"][0, :, :4] = np.column_stack([open_, high, low, close]) - close[-1]
    told = model.predict(row)
    assert told["current_volatility"][0] == pytest.approx(100 * np.sqrt(252 * (moves[-21:] ** 2).mean()), rel=1e-3)
    months = [100 * np.sqrt(252 * (moves[1 + i : 22 + i] ** 2).mean()) for i in range(39)]
    assert told["cone"][0, 2, 2] == pytest.approx(np.median(months), rel=1e-3)


@pytest.mark.parametrize(
    ("realised", "told"),
    [
        (np.full((1, 21), 1e-4), "21 realised variances are too few"),
        (np.r_[np.full(29, 1e-4), -1.0][None], "negative"),
        (np.r_[np.full(29, 1e-4), 1e308][None], "above 1"),
    ],
)
def test_realised_variances_that_are_none_are_refused(
    model: Volatility, parts: Parts, realised: np.ndarray, told: str
) -> None:
    row = {name: values[:1] for name, values in parts[2].inputs.items()}
    with pytest.raises(InvalidRequest, match=told) as caught:
        model.predict({**row, "realised": realised})
    assert caught.value.path.startswith("realised")


def test_a_price_that_stands_still_has_a_forecast(model: Volatility, parts: Parts) -> None:
    row = {name: values[:1].copy() for name, values in parts[2].inputs.items()}
    row["window"][:] = 0
    row["features"][:, :3] = 0
    outputs = model.predict(row)
    model.output_schema.validate(outputs)
    assert (outputs["volatility"] > 0).all()
    assert (outputs["volatility"] < 10).all()


def test_closes_alone_are_enough(make_bars: object, make_dataset: object) -> None:
    bars, _ = make_bars(1200, 5)  # type: ignore[operator]
    bars[["open", "high", "low"]] = bars[["close"] * 3].to_numpy()
    bars["volume"] = 0.0
    data = make_dataset(bars)  # type: ignore[operator]
    fitted = Volatility(Params(tree_rounds=10)).fit(data.take(np.arange(500)), data.take(np.arange(530, 700)))
    ratio = fitted.predict(data.inputs)["variance"][720:, 2].mean() / data.targets["realised_variance"][720:, 2].mean()
    assert 0.6 < ratio < 1.6


@pytest.mark.parametrize("wrong", [{"horizons": ("2_years",)}, {"horizons": ()}, {"coverage": 1.0}])
def test_parameters_are_checked(wrong: dict[str, object]) -> None:
    with pytest.raises(ConfigurationError):
        Params(**wrong)  # type: ignore[arg-type]


def test_an_unfitted_model_says_so() -> None:
    with pytest.raises(RuntimeError, match="no members"):
        Volatility().predict({})
