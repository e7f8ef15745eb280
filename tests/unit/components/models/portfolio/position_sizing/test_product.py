"""Position sizing as applications see it."""

from datetime import UTC, datetime
from typing import Any

import pytest
from pydantic import ValidationError

from components.errors import InvalidRequest
from components.models.portfolio.position_sizing.model import PositionSizing
from components.models.portfolio.position_sizing.product import PRODUCT, PositionRequest
from components.models.portfolio.position_sizing.table import COLUMN
from components.models.product import Served

NOW = datetime(2026, 1, 5, tzinfo=UTC)
DOCUMENT_4 = {
    "portfolioId",
    "symbol",
    "recommendedPosition",
    "stopLoss",
    "takeProfit",
    "maxDrawdown",
    "volatilityAdjustment",
    "correlationRisk",
    "timestamp",
}


def example(index: int = 0, **changed: Any) -> PositionRequest:
    extra: Any = PositionRequest.model_config["json_schema_extra"]
    return PositionRequest.model_validate({**extra["examples"][index], **changed})


@pytest.mark.parametrize("index", [0, 1])
def test_the_answer_has_the_documents_fields_and_the_models_numbers(sizer: PositionSizing, index: int) -> None:
    request = example(index)
    inputs = dict(PRODUCT.to_inputs(request, NOW))
    sizer.input_schema.validate(inputs)
    outputs = sizer.predict(inputs)
    answer: Any = PRODUCT.to_response(request, Served(outputs, model_version="3", generated_at="2026-01-05T00:00:00Z"))
    body = answer.model_dump()
    assert set(body) >= DOCUMENT_4
    assert body["recommendedPosition"] == round(outputs["recommended_position"][0], 4)
    assert body["correlationRisk"] == round(outputs["correlation_risk"][0], 4)
    if request.price is not None:
        assert body["stopLossPrice"] == pytest.approx(request.price * (1 - body["stopLoss"] / 100), abs=1e-3)
        assert body["takeProfitPrice"] > request.price
    else:
        assert body["stopLossPrice"] is None


def test_words_and_sectors_become_numbers() -> None:
    account = PRODUCT.to_inputs(
        example(0, market_trend="bearish", sector_rotation={"Information Technology": 0.05}), NOW
    )["account"][0]
    assert account[COLUMN["market_trend"]] == -1
    assert account[COLUMN["sector_rotation"]] == 0.05
    assert account[COLUMN["target_volatility"]] == pytest.approx(0.12)


def test_a_sector_that_is_not_given_is_named() -> None:
    with pytest.raises(InvalidRequest, match="Information Technology"):
        PRODUCT.to_inputs(example(0, sector_rotation={"Energy": 0.05}), NOW)


@pytest.mark.parametrize(
    "changed",
    [
        {"portfolio_value": 0.0},
        {"cash": -1.0},
        {"positions": -1},
        {"vix": 0.0},
        {"market_trend": "up"},
        {"price": 0.0},
        {"volatility": 0.25},
        {"target_volatility": 0.12},
    ],
)
def test_impossible_values_are_refused(changed: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        example(0, **changed)
