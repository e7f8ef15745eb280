"""The regime as applications see it."""

from datetime import UTC, datetime

import numpy as np
import pytest

from components.data.dataset import Dataset
from components.errors import InvalidRequest
from components.models.markets.market_regime.model import MarketRegime
from components.models.markets.market_regime.product import PRODUCT, RegimeRequest
from components.models.product import Served

NOW = datetime(2026, 1, 5, tzinfo=UTC)


def test_the_answer_is_the_models_numbers_in_percent(
    fitted: MarketRegime, halves: tuple[Dataset, Dataset, Dataset]
) -> None:
    outputs = fitted.predict({name: values[:1] for name, values in halves[2].inputs.items()})
    columns = {t.name: t.column_names for t in fitted.output_schema.tensors}
    served = Served(outputs, {"feature_timestamps": "2026-01-02T21:00:00Z"}, columns, "3", "2026-01-05T00:00:00Z")
    answer = PRODUCT.to_response(RegimeRequest(security_id="SP500"), served).model_dump()
    assert answer["regime"] == outputs["regime"][0]
    assert answer["confidence"] == max(answer["probabilities"].values())
    assert sum(answer["probabilities"].values()) == pytest.approx(1)
    assert answer["volatility"] == pytest.approx(100 * outputs["volatility"][0])
    assert answer["regimes"]["bear"]["volatility"] == pytest.approx(100 * outputs["regime_volatility"][0, 2])
    assert set(answer["hidden_states"]) == {"calm", "normal", "turbulent"}
    assert answer["features_as_of"] == "2026-01-02T21:00:00Z"


def test_the_request_becomes_a_key() -> None:
    made = PRODUCT.to_inputs(RegimeRequest(security_id="SP500"), NOW)
    assert np.array_equal(made["entity"], ["SP500"])
    assert made["timestamp"][0] == "2026-01-05T00:00:00Z"


def test_the_future_is_refused() -> None:
    request = RegimeRequest.model_validate({"security_id": "SP500", "as_of": "2026-02-01T00:00:00Z"})
    with pytest.raises(InvalidRequest, match="future"):
        PRODUCT.to_inputs(request, NOW)
