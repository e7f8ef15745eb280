"""What an allocation may earn: closed forms and known truths."""

import numpy as np
import pytest

from components.models.portfolio.auto_invest.confidence import Confidence
from components.models.portfolio.auto_invest.outlook import Outlook, shrink
from components.models.portfolio.auto_invest.params import Params

EVERY = np.arange(6)


@pytest.fixture(scope="module")
def outlook() -> Outlook:
    draws = np.random.default_rng(2).standard_normal((2000, 6))
    return Outlook(0.0004 + 0.01 * draws, Params())


def test_contributions_add_up_to_the_annual_return(outlook: Outlook) -> None:
    weights = np.array([0.3, 0.2, 0.1, 0.1, 0.1, 0.05])
    annual, volatility, sharpe, _ = outlook.performance(EVERY, weights)
    assert outlook.contributions(EVERY, weights).sum() == pytest.approx(annual, rel=1e-12)
    assert sharpe == pytest.approx(annual / volatility)


def test_volatility_of_independent_days_is_the_closed_form(outlook: Outlook) -> None:
    weights = np.full(6, 1 / 6)
    assert outlook.performance(EVERY, weights)[1] == pytest.approx(0.01 / np.sqrt(6) * np.sqrt(252), rel=0.03)


def test_half_of_it_in_cash_halves_return_and_volatility(outlook: Outlook) -> None:
    whole, half = (outlook.performance(EVERY, np.full(6, share / 6)) for share in (1.0, 0.5))
    np.testing.assert_allclose(half[:2], whole[:2] / 2, rtol=1e-9)
    assert half[3] < whole[3]


def test_all_in_cash_is_flat(outlook: Outlook) -> None:
    np.testing.assert_array_equal(outlook.performance(EVERY, np.zeros(6)), 0)


def test_a_steady_rise_never_falls() -> None:
    steady = Outlook(np.full((500, 2), 0.001), Params())
    annual, volatility, _, drawdown = steady.performance(np.arange(2), np.array([0.5, 0.5]))
    assert (annual, volatility, drawdown) == (pytest.approx(0.252), pytest.approx(0, abs=1e-12), 0)


def test_means_of_the_same_truth_are_shrunk_far_and_of_different_truths_little() -> None:
    noise = 0.01 * np.random.default_rng(3).standard_normal((1000, 30))
    apart = np.linspace(-0.005, 0.005, 30)
    for truth, kept in ((np.zeros(30), (0.0, 0.35)), (apart, (0.95, 1.0))):
        sample = noise + truth
        share = np.ptp(shrink(sample)) / np.ptp(sample.mean(axis=0))
        assert kept[0] <= share <= kept[1]
        assert shrink(sample).mean() == pytest.approx(sample.mean(), abs=1e-12)


def test_the_chance_against_itself_is_certain_and_costs_lower_it(outlook: Outlook) -> None:
    equal, other = np.full(6, 1 / 6), np.array([0.5, 0.1, 0.1, 0.1, 0.1, 0.1])
    assert outlook.chance(EVERY, equal, equal, 0.0) == 1.0
    assert outlook.chance(EVERY, equal, equal, 0.001) == 0.0
    chances = [outlook.chance(EVERY, other, equal, cost) for cost in (0.0, 0.005, 0.02)]
    assert chances == sorted(chances, reverse=True)
    assert chances[0] == pytest.approx(0.5, abs=0.12)


def test_confidence_believes_chances_that_came_true_and_no_others() -> None:
    generator = np.random.default_rng(1)
    chances = generator.uniform(0.2, 0.8, 4000)
    true = Confidence.fit(chances, (generator.uniform(size=4000) < chances).astype(float))
    blind = Confidence.fit(chances, (generator.uniform(size=4000) < 0.6).astype(float))
    assert true(0.8) == pytest.approx(0.8, abs=0.04)
    assert blind(0.8) == pytest.approx(0.6, abs=0.04)
    assert Confidence.fit(np.full(3, 0.5), np.ones(3))(0.5) < 0.6, "three months prove little"
