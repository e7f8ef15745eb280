"""Limits: closed forms, and what holds for any draw."""

import numpy as np
import pytest

from components.errors import InvalidRequest
from components.models.portfolio.auto_invest.constraints import Constraints, fill, keep_largest
from components.models.portfolio.auto_invest.sector_limits import number_sectors

US = ("Information Technology", "Financials", "Energy")


def test_what_exceeds_a_cap_goes_to_the_others_in_proportion() -> None:
    np.testing.assert_allclose(fill(np.array([6.0, 3.0, 1.0]), np.array([0.4, 1, 1]), 1.0), [0.4, 0.45, 0.15])


def test_infeasible_limits_leave_cash() -> None:
    limits = Constraints(0.1, 3, np.zeros(5, dtype=np.int64), np.ones(1))
    desired = keep_largest(np.full(5, 0.2), 3, np.arange(5))
    assert limits.allocate(desired, 1.0).sum() == pytest.approx(0.3)


def test_a_full_sector_passes_its_share_on() -> None:
    limits = Constraints(1.0, 4, np.array([0, 0, 1, 1]), np.array([0.2, 1.0]))
    np.testing.assert_allclose(limits.allocate(np.full(4, 0.25), 1.0), [0.1, 0.1, 0.4, 0.4])


@pytest.mark.parametrize("seed", range(20))
def test_any_allocation_keeps_every_limit_and_wastes_nothing(seed: int) -> None:
    generator = np.random.default_rng(seed)
    count, sectors = 12, 4
    limits = Constraints(
        float(generator.uniform(0.05, 0.5)),
        count,
        generator.integers(0, sectors, count),
        generator.uniform(0.05, 0.6, sectors),
    )
    desired = generator.exponential(size=count)
    total = float(generator.uniform(0.2, 1))
    weights = limits.allocate(desired, total)
    assert not limits.broken_by(weights)
    assert weights.sum() <= total + 1e-9
    if weights.sum() < total - 1e-9:
        full = limits.sector_sums(weights)[limits.sector] >= limits.sector_limit[limits.sector] - 1e-9
        assert (full | (weights >= limits.max_position - 1e-9)).all()


def test_ties_go_to_the_calmer_security() -> None:
    np.testing.assert_array_equal(keep_largest(np.ones(3), 1, np.array([0.3, 0.1, 0.2])), [0, 1, 0])


@pytest.mark.parametrize("name", ["IT", "it", "Information Technology", "Technology"])
def test_a_sector_has_its_names(name: str) -> None:
    place, largest = number_sectors(US, {name: 0.3}, US)
    assert largest[place].tolist() == [0.3, 1.0, 1.0]


def test_a_known_sector_that_nobody_holds_limits_nothing() -> None:
    assert number_sectors(US, {"Cement": 0.1}, US)[1].tolist() == [1.0, 1.0, 1.0]


@pytest.mark.parametrize(("limits", "match"), [({"Finanse": 0.2}, "no sector 'Finanse'"), ({"IT": 1.5}, "is 1.5")])
def test_misspelt_sectors_and_impossible_limits_are_refused(limits: dict[str, float], match: str) -> None:
    with pytest.raises(InvalidRequest, match=match):
        number_sectors(US, limits, US)
