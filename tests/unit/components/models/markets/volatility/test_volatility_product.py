"""The product's request and response, and the judge that holds the model to its claims."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from components.data.dataset import Dataset
from components.errors import InvalidRequest
from components.evaluation.judge import Judged
from components.models.markets.volatility import judge
from components.models.markets.volatility.model import Volatility
from components.models.markets.volatility.product import PRODUCT, VolatilityRequest
from components.models.product import Served

NOW = datetime(2025, 6, 1, tzinfo=UTC)
HORIZONS = ("1_day", "5_day", "1_month")
Parts = tuple[Dataset, Dataset, Dataset]


def ask(**more: Any) -> VolatilityRequest:
    return VolatilityRequest.model_validate({"security_id": "SP500", **more})


def served(model: Volatility, parts: Parts) -> Served:
    outputs = model.predict({name: values[:1] for name, values in parts[2].inputs.items()})
    columns = {tensor.name: tensor.column_names for tensor in model.output_schema.tensors}
    return Served(outputs, {"feature_timestamps": "2025-05-30T21:00:00Z"}, columns, "3", "2025-06-01T00:00:00Z")


def test_a_request_becomes_entity_time_and_realised_variances() -> None:
    made = PRODUCT.to_inputs(ask(realised=[1e-4] * 30), NOW)
    assert made["entity"].tolist() == ["SP500"]
    assert made["timestamp"].tolist() == ["2025-06-01T00:00:00Z"]
    np.testing.assert_array_equal(made["realised"], np.full((1, 30), 1e-4))
    assert set(PRODUCT.to_inputs(ask(), NOW)) == {"entity", "timestamp"}


@pytest.mark.parametrize(
    "wrong",
    [
        {"security_id": ""},
        {"security_id": "SP500", "horizons": ["2y"]},
        {"security_id": "SP500", "realised": [1e-4] * 21},
        {"security_id": "SP500", "realised": [-1e-4] * 30},
        {"security_id": "SP500", "realised": [float("nan")] * 30},
        {"security_id": "SP500", "realised": [1e308] * 30},
        {"security_id": "SP500", "realised": [1.5] * 30},
        {"security_id": "SP500", "horizon": ["1d"]},
    ],
)
def test_a_wrong_request_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        VolatilityRequest.model_validate(wrong)


def test_the_future_cannot_be_asked_about() -> None:
    request = VolatilityRequest.model_validate({"security_id": "SP500", "as_of": "2025-06-02T00:00:00Z"})
    with pytest.raises(InvalidRequest, match="lies in the future"):
        PRODUCT.to_inputs(request, NOW)


def test_the_response_holds_the_models_numbers(model: Volatility, parts: Parts) -> None:
    answer = served(model, parts)
    body: Any = PRODUCT.to_response(ask(horizons=["5d", "1m"]), answer)
    assert list(body.forecasts) == ["5_day", "1_month"]
    week = body.forecasts["5_day"]
    assert week.volatility == answer.outputs["volatility"][0, 1]
    assert week.confidence_interval == [answer.outputs["lower"][0, 1], answer.outputs["upper"][0, 1]]
    assert week.daily_variance == answer.outputs["variance"][0, 1]
    assert list(week.cone.values()) == answer.outputs["cone"][0, 1].tolist()
    assert body.confidence == week.confidence
    assert body.current_volatility == answer.outputs["current_volatility"][0]
    assert (body.model_version, body.features_as_of) == ("3", "2025-05-30T21:00:00Z")
    assert PRODUCT.value is not None
    assert PRODUCT.value(body) == week.volatility
    every: Any = PRODUCT.to_response(ask(), answer)
    assert list(every.forecasts) == list(HORIZONS)


def judged(model: Volatility, parts: Parts) -> Judged:
    test = parts[2]
    outputs = model.predict(test.inputs)
    baselines = {name: make(parts[0], test) for name, make in judge.JUDGE.baselines.items()}
    losses = {name: judge.loss(answer, test) for name, answer in baselines.items()}
    fold = np.zeros(len(test), dtype=np.int64)
    return Judged(test, outputs, baselines, judge.loss(outputs, test), losses, fold, {"coverage": 0.9})


def test_the_judge_finds_the_claims_kept(model: Volatility, parts: Parts) -> None:
    claims = {claim.name: claim for claim in judge.claims(judged(model, parts))}
    assert len(claims) == 12
    assert claims["dm_garch_1_day"].passed
    assert claims["ewma_1_day"].passed
    assert claims["median_1_day"].passed


def test_the_judge_sees_a_forecast_of_the_wrong_level(model: Volatility, parts: Parts) -> None:
    right = judged(model, parts)
    wrong = {
        **right.outputs,
        "volatility": 1.2 * right.outputs["volatility"],
        "variance": 4 * right.outputs["variance"],
    }
    claims = {c.name: c for c in judge.claims(Judged(**{**right.__dict__, "outputs": wrong}))}
    assert claims["median_1_day"].passed is False
    assert claims["dm_garch_1_day"].passed is False


def test_no_baseline_looks_at_the_test_rows_targets(parts: Parts) -> None:
    history, test = parts[0], parts[2]
    other = Dataset(
        test.inputs,
        {name: values * 7 for name, values in test.targets.items()},
        test.times,
        test.label_times,
        test.entities,
    )
    for name, make in judge.JUDGE.baselines.items():
        np.testing.assert_array_equal(make(history, test)["variance"], make(history, other)["variance"], err_msg=name)


def test_the_figures_are_drawn(model: Volatility, parts: Parts) -> None:
    figures = judge.JUDGE.figures(judged(model, parts))
    assert [figure.title for figure in figures] == [
        "Volatility cone of SIM",
        "Forecast and realised volatility of SIM",
    ]
    assert all("<svg" in figure.html for figure in figures)
