"""LIME on functions whose slopes are known, and against the package ``lime`` where it is installed."""

from __future__ import annotations

import numpy as np
import pytest

from components.errors import InvalidRequest
from inference.explain.lime_tabular import LimeOptions, lime_tabular
from inference.explain.options import read_options
from inference.explain.space import space_of
from inference.explain.sparse_linear import fit, weighted_r2
from tests.support.explained import WEIGHTS, instance, problem

NAMES = ("close", "rsi", "ratio", "flat", "orders")


def by_feature(answer: dict) -> dict[str, dict]:
    return {entry["feature"]: entry for entry in answer["attributions"]}


def test_it_recovers_a_linear_models_coefficients() -> None:
    asked = problem()
    answer = lime_tabular(asked, instance())
    found = by_feature(answer)
    assert set(found) == {"close", "rsi", "ratio", "orders"}, "flat never varies and the window is not used"
    for name in found:
        assert found[name]["coefficient"] == pytest.approx(WEIGHTS[NAMES.index(name)], rel=1e-9)
    assert answer["fidelity"]["r2"] == pytest.approx(1.0)
    assert answer["stability"]["selection"] == 1.0
    assert answer["additivity"]["holds"]
    means = asked.background.mean(axis=0)
    assert found["rsi"]["attribution"] == pytest.approx(-2.0 * (30.0 - means[1])), "as SHAP does for a linear model"
    assert answer["base_value"] == pytest.approx(float(asked(asked.background).mean()), rel=1e-9)


def test_near_the_instance_it_finds_the_local_slope_of_a_curve() -> None:
    curved = problem(lambda f, o, w: (f[:, 1] / 10.0) ** 2)
    answer = lime_tabular(curved, instance())
    slope = by_feature(answer)["rsi"]["coefficient"]
    assert slope == pytest.approx(2 * 30.0 / 100.0, rel=0.35), "the derivative at rsi 30, smeared over the kernel"
    assert 0.5 < answer["fidelity"]["r2"] < 0.999


def test_only_as_many_features_as_asked_and_the_most_telling_ones() -> None:
    answer = lime_tabular(problem(), instance(), LimeOptions(features=2))
    assert list(by_feature(answer)) == ["rsi", "close"]
    assert 0.9 < answer["fidelity"]["r2"] < 1.0


def test_a_window_takes_part_whole() -> None:
    summed = problem(lambda f, o, w: 10.0 * w.sum(axis=(1, 2)))
    found = by_feature(lime_tabular(summed, instance()))
    own = float(instance()[5:].sum()) * 10.0
    usual = 10.0 * float(summed.background[:, 5:].sum(axis=1).mean())
    assert found["window"]["attribution"] == pytest.approx(own - usual, abs=3.0)


def test_bins_tell_what_lying_in_the_instances_quartile_contributes() -> None:
    stepped = problem(lambda f, o, w: np.where(f[:, 1] <= np.quantile(background[:, 1], 0.25), 8.0, 0.0))
    background = stepped.background
    row = instance()
    row[1] = 10.0
    answer = lime_tabular(stepped, row, LimeOptions(discretise=True, features=1))
    found = by_feature(answer)
    assert found["rsi"]["attribution"] == pytest.approx(8.0)
    assert answer["base_value"] == pytest.approx(0.0, abs=1e-9)
    assert answer["fidelity"]["r2"] == pytest.approx(1.0)


def test_noise_has_no_fidelity_and_no_stability() -> None:
    def noise(f: np.ndarray, o: np.ndarray, w: np.ndarray) -> np.ndarray:
        return np.sin(1e6 * f[:, 0]) + np.sin(1e6 * f[:, 1]) + np.sin(1e6 * f[:, 2])

    answer = lime_tabular(problem(noise), instance(), LimeOptions(features=1))
    assert answer["fidelity"]["r2"] < 0.1
    assert answer["why"].endswith("too little to rely on.")
    assert answer["stability"]["selection"] < 0.9


def test_the_same_question_gets_the_same_answer_and_the_budget_is_kept() -> None:
    asked = problem()
    asked.budget_rows = 300
    answers = [lime_tabular(asked.asked("", ""), instance()) for _ in range(2)]
    assert answers[0] == answers[1]
    assert answers[0]["samples"] == 300


def test_a_constant_model_is_explained_by_nothing() -> None:
    answer = lime_tabular(problem(lambda f, o, w: np.full(len(f), 3.0)), instance())
    assert answer["attributions"] == []
    assert answer["base_value"] == pytest.approx(3.0)
    assert answer["fidelity"]["r2"] == 1.0
    assert "no input moved it" in answer["why"]
    assert answer["why"].endswith("reproduces 100 % of what the model does nearby.")


def test_a_collinear_column_is_not_chosen_twice() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(200, 2))
    z = np.column_stack([x, x[:, 0] * 3.0])
    surrogate = fit(z, x @ np.array([2.0, 1.0]), np.ones(200), 3)
    assert np.count_nonzero(surrogate.coefficients) == 2
    assert weighted_r2(x @ np.array([2.0, 1.0]), surrogate(z), np.ones(200)) == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("parameters", "path"),
    [
        ({"features": 0}, "parameters.features"),
        ({"samples": "many"}, "parameters.samples"),
        ({"sample": 100}, "parameters.sample"),
    ],
)
def test_a_wrong_option_is_refused_with_its_name(parameters: dict, path: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        read_options(LimeOptions, {"kind": "lime_tabular", **parameters})
    assert caught.value.path == path
    assert "features, samples, discretise" in caught.value.remedy


def test_it_agrees_with_the_package_lime() -> None:
    """The package draws, weighs and standardises as ours does; its ridge and its selection differ."""
    package = pytest.importorskip("lime.lime_tabular", reason="the package lime is not installed")
    asked, row = problem(lambda f, o, w: np.tanh(f[:, 1] / 40.0) + 0.01 * f[:, 0] * f[:, 2]), instance()
    table = asked.background[:, :3]
    theirs = package.LimeTabularExplainer(
        table, mode="regression", discretize_continuous=False, sample_around_instance=True, random_state=7
    )

    def answers(part: np.ndarray) -> np.ndarray:
        rows = np.repeat(row[None, :], len(part), axis=0)
        rows[:, :3] = part
        return asked(space_of(asked).settle(rows))

    told = dict(theirs.explain_instance(row[:3], answers, num_samples=8000).as_map()[1])
    ours = by_feature(lime_tabular(asked, row, LimeOptions(samples=8192)))
    for j, name in enumerate(("close", "rsi", "ratio")):
        assert ours[name]["per_standard_deviation"] == pytest.approx(told[j], rel=0.1, abs=0.01), name
