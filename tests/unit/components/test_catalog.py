"""The catalogue discovers folders and offers the nearest name."""

import pytest

from components.catalog import catalogue, get_spec
from components.errors import UnknownModel


def test_every_spec_is_complete() -> None:
    for name, spec in catalogue().items():
        assert spec.name == name
        assert spec.package == f"components.models.{spec.room}.{name}"
        for text in (spec.title, spec.summary, spec.owner, spec.data_licence):
            assert text
        assert spec.outputs
        assert spec.disclaimers


def test_room_and_name_are_accepted() -> None:
    assert get_spec("markets/price_forecast") == get_spec("price_forecast")


def test_unknown_model_offers_the_nearest() -> None:
    with pytest.raises(UnknownModel, match="Did you mean 'price_forecast'"):
        get_spec("price_forcast")
