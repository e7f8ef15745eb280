"""Each searched hyper-parameter names the members that read it: tuning fits no other one again."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import numpy as np
import pytest

from components.catalog import get_spec
from components.data.dataset import Dataset
from components.models.markets.price_forecast.model import MEMBERS, PriceForecast
from components.models.markets.price_forecast.params import Params
from components.tuning.space import space_of

SPACE = space_of(get_spec("price_forecast"))
QUICK = Params(tree_rounds=5, lstm_epochs=1, lstm_hidden=8, keras_epochs=1, keras_units=8)


class Watched(Params):
    """Parameters that remember which of them were read."""

    def __getattribute__(self, name: str) -> Any:
        seen = type(self).seen
        seen.add(name)
        return super().__getattribute__(name)

    seen: set[str] = set()  # noqa: RUF012 - of the class on purpose


@pytest.mark.parametrize("name", [pytest.param(n, marks=pytest.mark.slow if "lstm" in n else ()) for n in MEMBERS])
def test_a_member_reads_what_the_space_says_and_nothing_else(
    name: str, parts: tuple[Dataset, Dataset, Dataset]
) -> None:
    train, validation, test = (part.take(np.arange(min(len(part), 300))) for part in parts)
    watched = Watched(**asdict(QUICK))
    factory = PriceForecast.candidates(watched)[name]
    Watched.seen.clear()
    factory().fit(train, validation).predict(test.inputs)
    declared = {p.name for p in SPACE.parameters if p.candidates is None or name in p.candidates}
    assert Watched.seen & set(SPACE.names) == declared


def test_every_named_member_exists() -> None:
    named = {member for p in SPACE.parameters for member in p.candidates or ()}
    assert named <= set(MEMBERS)
