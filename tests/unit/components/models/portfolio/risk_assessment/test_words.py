"""Words for the owner, and the product's request and response."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from components.errors import InvalidRequest, MissingValue
from components.models.portfolio.risk_assessment.model import RiskAssessment
from components.models.portfolio.risk_assessment.owner import (
    category,
    recovery_months,
    recovery_words,
    still_lost,
)
from components.models.portfolio.risk_assessment.payloads import EXAMPLE_PROFILE, RiskRequest
from components.models.portfolio.risk_assessment.product import PRODUCT
from components.models.portfolio.risk_assessment.universe import Universe
from components.models.product import Served

NOW = datetime(2026, 1, 2, tzinfo=UTC)
PORTFOLIO = {
    "holdings": [
        {"security_id": "AAA", "quantity": 10.0, "current_value": 600.0, "weight": 0.6},
        {"security_id": "CCC", "quantity": 5.0, "current_value": 400.0, "weight": 0.4},
    ]
}


def request(**fields: Any) -> RiskRequest:
    return RiskRequest.model_validate({"portfolio": PORTFOLIO, "user_profile": EXAMPLE_PROFILE} | fields)


def answered(model: RiskAssessment, asked: RiskRequest) -> dict[str, Any]:
    inputs = dict(PRODUCT.to_inputs(asked, NOW))
    model.input_schema.validate(inputs)
    served = Served(model.predict(inputs), model_version="3", generated_at="2026-01-02T00:00:00Z")
    return PRODUCT.to_response(asked, served).model_dump(mode="json")


@pytest.mark.parametrize(
    ("score", "word"), [(0, "low"), (39.9, "low"), (68, "moderate"), (84, "high"), (100, "very_high")]
)
def test_scores_in_words(score: float, word: str) -> None:
    assert category(score) == word


@pytest.mark.parametrize(
    ("first", "last", "words"),
    [
        (6, 9, "6-9 months"),
        (0, 0, "less than 1 month"),
        (0, 1, "1 month"),
        (2, 2, "2 months"),
        (7, 120, "more than 7 months"),
        (120, 120, "more than 120 months"),
    ],
)
def test_recoveries_in_words(first: float, last: float, words: str) -> None:
    assert recovery_words(first, last) == words


def test_recoveries_are_read_off_the_table(universe: Universe) -> None:
    # Half-lives of the fixture: a drawdown of depth d lasts exponentially with mean 60 d months.
    assert still_lost(universe, 0.2, 12) == pytest.approx(np.exp(-1), abs=1e-9)
    assert still_lost(universe, 0.9, 1e9) == pytest.approx(universe.lasting[-1, -1])
    first, last = recovery_months(universe, 0.2)
    assert first == np.ceil(12 * np.log(4 / 3))
    assert last == np.ceil(12 * np.log(4))


def test_the_response_has_the_documents_fields(model: RiskAssessment) -> None:
    told = answered(model, request())
    assert list(told["risk_metrics"]["probability_of_loss"]) == ["1_month", "3_month", "1_year"]
    assert list(told["stress_test_results"]) == ["2020_covid_crash", "2008_financial_crisis", "sector_crash"]
    assert [s["scenario"] for s in told["scenarios"]] == ["market_correction_10_percent", "sector_specific_downturn"]
    assert sum(told["component_var"].values()) == pytest.approx(told["risk_metrics"]["portfolio_var_95"], abs=0.01)
    assert told["model_version"] == "3"


def test_scenarios_are_those_that_were_asked_for(model: RiskAssessment) -> None:
    told = answered(model, request(scenarios=["sector_downturn"]))
    assert [s["scenario"] for s in told["scenarios"]] == ["sector_specific_downturn"]


def test_conditions_reach_the_model(model: RiskAssessment) -> None:
    calm = answered(model, request(market_conditions={"volatility_index": 10, "market_trend": "bull"}))
    storm = answered(model, request(market_conditions={"volatility_index": 60, "market_trend": "bear"}))
    assert storm["risk_metrics"]["portfolio_var_95"] < calm["risk_metrics"]["portfolio_var_95"]
    matrix = {"correlation_matrix": [[1.0, -0.5], [-0.5, 1.0]]}
    hedged = answered(model, request(market_conditions=matrix))
    assert hedged["risk_metrics"]["portfolio_var_95"] > answered(model, request())["risk_metrics"]["portfolio_var_95"]


def test_a_missing_block_is_named() -> None:
    bare = RiskRequest.model_validate({"portfolio_id": "p-1"})
    with pytest.raises(MissingValue, match=r"portfolio: .*document kept for portfolio 'p-1'"):
        PRODUCT.to_inputs(bare, NOW)
    with pytest.raises(MissingValue, match="user_profile"):
        PRODUCT.to_inputs(RiskRequest.model_validate({"portfolio": PORTFOLIO}), NOW)


def test_a_matrix_of_another_size_is_refused() -> None:
    with pytest.raises(InvalidRequest, match=r"2 rows of \[1, 2\] values, the portfolio 2 holdings"):
        PRODUCT.to_inputs(request(market_conditions={"correlation_matrix": [[1.0, 0.0], [0.0]]}), NOW)


def test_lots_of_one_security_are_added_up(model: RiskAssessment) -> None:
    lots = {
        "holdings": [
            {"security_id": "AAA", "quantity": 1.0, "current_value": 300.0, "weight": 0.3},
            {"security_id": "AAA", "quantity": 1.0, "current_value": 300.0, "weight": 0.3},
            {"security_id": "CCC", "quantity": 5.0, "current_value": 400.0, "weight": 0.4},
        ]
    }
    told = answered(model, request(portfolio=lots))
    whole = answered(model, request())
    assert told["component_var"] == pytest.approx(whole["component_var"], abs=1e-3)
    assert told["risk_metrics"] == whole["risk_metrics"]


def test_the_subject_is_the_portfolio() -> None:
    assert PRODUCT.subject(request(portfolio_id="p-1")).entity_id == "p-1"
    assert PRODUCT.subject(request()).entity_id == "2 holdings, AAA first"


def test_a_request_of_nothing_has_a_subject_and_is_told_what_is_missing() -> None:
    nothing = RiskRequest.model_validate({})
    assert PRODUCT.subject(nothing).entity_id == "unnamed"
    with pytest.raises(MissingValue, match="Send portfolio"):
        PRODUCT.to_inputs(nothing, NOW)


def test_one_kept_portfolio_serves_its_risk_and_its_optimisation() -> None:
    """Both share the kind of document; lots, rounded weights and all."""
    from components.models.portfolio.portfolio_optimizer.product import PRODUCT as OPTIMISER

    holdings = [
        {"security_id": name, "quantity": 10.0, "current_value": 1000.0 * share, "weight": round(share, 2)}
        for name, share in (("AAA", 0.4), ("AAA", 0.164), ("CCC", 0.436))
    ]
    document = {"portfolio": {"holdings": holdings}, "user_profile": EXAMPLE_PROFILE}
    assert PRODUCT.kept is not None
    assert OPTIMISER.kept is not None
    assert PRODUCT.kept.entity_type == OPTIMISER.kept.entity_type
    risk = PRODUCT.to_inputs(PRODUCT.request.model_validate(document), NOW)
    chosen = OPTIMISER.to_inputs(OPTIMISER.request.model_validate({"portfolio": document["portfolio"]}), NOW)
    assert risk["security_id"][0].tolist() == ["AAA", "AAA", "CCC"]
    assert chosen["security_id"][0].tolist() == ["AAA", "CCC"]
    np.testing.assert_allclose(chosen["current_weight"][0], [0.56, 0.44])


@pytest.mark.parametrize("index", [0.0, 0.185, 201.0])
def test_a_volatility_index_that_is_not_percent_is_refused(index: float) -> None:
    with pytest.raises(ValidationError, match="volatility_index"):
        request(market_conditions={"volatility_index": index})
