"""Accounts that do not add up are refused where applications ask; the model, which explainers ask too, takes them."""

from __future__ import annotations

import pytest

from components.errors import InvalidRequest
from components.models.portfolio.position_sizing.sums import check_sums


@pytest.mark.parametrize(
    ("account", "told", "path"),
    [
        ((1000.0, 600.0, 2, (0.5, 0.4)), "sum to 1.5000", "holdings"),
        ((1000.0, 1100.0, 0, ()), "cash of 1100 exceeds", "cash"),
        ((1000.0, 600.0, 3, (0.2, 0.2)), "3 positions are said to be held, 2 are listed", "positions"),
        ((1000.0, 600.0, 0, ()), "no position is held, but cash is 60.0%", "positions"),
    ],
)
def test_a_contradiction_is_named(account: tuple[float, float, int, tuple[float, ...]], told: str, path: str) -> None:
    with pytest.raises(InvalidRequest, match=told) as refused:
        check_sums(*account)
    assert refused.value.path == path


@pytest.mark.parametrize("account", [(1000.0, 600.0, 2, (0.2, 0.21)), (1000.0, 1000.0, 0, ()), (1000.0, 600.0, 7, ())])
def test_what_adds_up_passes(account: tuple[float, float, int, tuple[float, ...]]) -> None:
    check_sums(*account)
