"""How long answers are reused: what a spec says, for all requests or for each."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from components.models.markets.price_forecast.product import PRODUCT, PriceRequest


@pytest.mark.parametrize(
    ("more", "seconds"),
    [
        ({"horizons": ["1d"]}, 3600),
        ({"horizons": ["1d", "1m"]}, 3600),
        ({"horizons": ["5min"]}, 60),
        ({"horizons": ["1d", "5min"]}, 60),
        ({}, 60),
        ({"as_of": datetime(2025, 1, 2, tzinfo=UTC).isoformat()}, 3600),
    ],
)
def test_a_forecast_lives_no_longer_than_what_it_is_about(more: dict[str, object], seconds: float) -> None:
    request = PriceRequest.model_validate({"security_id": "SP500", **more})
    assert PRODUCT.lives(request) == seconds
    assert PRODUCT.stands_in(request) == 6 * seconds


def test_a_number_is_the_same_for_every_request() -> None:
    made = replace(PRODUCT, cache_ttl_s=5.0, stale_for_s=7.0)
    assert (made.lives(None), made.stands_in(None)) == (5.0, 7.0)
