"""Tail figures: closed forms, and standard errors that are what repetition shows."""

import numpy as np
import pytest
from scipy.stats import norm

from components.finance.tail import expected_shortfall, share, value_at_risk


def test_normal_tail_figures() -> None:
    samples = norm.ppf((np.arange(200_000) + 0.5) / 200_000)
    assert value_at_risk(samples, 0.05).value == pytest.approx(norm.ppf(0.05), abs=1e-3)
    assert expected_shortfall(samples, 0.025).value == pytest.approx(-norm.pdf(norm.ppf(0.025)) / 0.025, abs=1e-3)


def test_shortfall_counts_part_of_the_edge() -> None:
    # 2.5 worst of 10: -5, -4 and half of -3.
    samples = np.array([-5.0, -4, -3, -2, -1, 0, 1, 2, 3, 4])
    assert expected_shortfall(samples, 0.25).value == pytest.approx((-5 - 4 - 1.5) / 2.5)


@pytest.mark.parametrize("figure", [value_at_risk, expected_shortfall])
def test_standard_errors_are_what_repetition_shows(figure: object) -> None:
    rng = np.random.default_rng(1)
    found = [figure(rng.standard_t(5, 2000), 0.05) for _ in range(300)]  # type: ignore[operator]
    spread = np.std([f.value for f in found])
    assert np.mean([f.standard_error for f in found]) == pytest.approx(spread, rel=0.15)


def test_share_has_the_binomial_error() -> None:
    told = share(np.array([True, False, False, False]))
    assert told.value == 0.25
    assert told.standard_error == pytest.approx((0.25 * 0.75 / 4) ** 0.5)
