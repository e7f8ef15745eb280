"""Rupees as the documents write them."""

from __future__ import annotations

import math

import pytest

from components.finance.rupees import group, rupees


@pytest.mark.parametrize(
    ("amount", "text"),
    [
        (0, "₹0"),
        (999.5, "₹1000"),
        (5000, "₹5000"),
        (9999, "₹9999"),
        (10_000, "₹10,000"),
        (520_000, "₹5,20,000"),
        (5_245_000, "₹52,45,000"),
        (100_000_000, "₹10,00,00,000"),
        (-12_345, "-₹12,345"),
        (-0.2, "₹0"),
    ],
)
def test_amounts_are_written_as_in_the_documents(amount: float, text: str) -> None:
    assert rupees(amount) == text


def test_grouping_keeps_every_digit() -> None:
    for whole in (1, 1000, 1001, 99_999, 100_000, 1_000_000, 10_000_001, 987_654_321_012):
        assert int(group(whole).replace(",", "")) == whole


@pytest.mark.parametrize("amount", [math.nan, math.inf])
def test_no_amount_is_refused(amount: float) -> None:
    with pytest.raises(ValueError, match="no amount of rupees"):
        rupees(amount)
