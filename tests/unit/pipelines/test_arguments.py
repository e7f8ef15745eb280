"""The arguments of a training run are checked, and completed, before anything starts."""

import json

import pytest

from components.catalog import get_spec
from components.errors import ConfigurationError
from pipelines.arguments import training_arguments

SPEC = get_spec("price_forecast")


def test_intraday_bars_bring_their_own_year() -> None:
    arguments = training_arguments(SPEC, {"bar": "5m", "horizons": ["next_bar"]})
    assert json.loads(arguments["params"])["bars_per_year"] == 252 * 390 / 5
    given = training_arguments(SPEC, {"bar": "5m", "params": {"bars_per_year": 1000.0}})
    assert json.loads(given["params"])["bars_per_year"] == 1000.0


def test_daily_bars_need_nothing() -> None:
    assert json.loads(training_arguments(SPEC, {"bar": "1d"})["params"]) == {}


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ({"nonsense": 1}, "no argument 'nonsense'"),
        ({"bar": "5min"}, "no bar '5min'"),
        ({"params": "{", "bar": "5m"}, "not JSON"),
        ({"candidates": ["lstm"]}, "no candidate 'lstm'"),
    ],
)
def test_a_wrong_argument_is_named(given: dict[str, object], problem: str) -> None:
    with pytest.raises(ConfigurationError, match=problem):
        training_arguments(SPEC, given)
