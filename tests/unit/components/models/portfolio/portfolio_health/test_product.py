"""Requests and answers in document 0's words, and what is refused."""

from __future__ import annotations

from copy import deepcopy
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from components.errors import InvalidRequest
from components.models.portfolio.portfolio_health.actions import ACTIONS
from components.models.portfolio.portfolio_health.columns import NAMES
from components.models.portfolio.portfolio_health.model import PortfolioHealth
from components.models.portfolio.portfolio_health.present import advise, priority
from components.models.portfolio.portfolio_health.product import EXAMPLE, PRODUCT, HealthResponse
from components.models.product import Served

NOW = datetime(2026, 11, 21, tzinfo=UTC)


def asked(*changes: tuple[str, Any]) -> Any:
    """The example with values at dotted paths replaced; None takes one away."""
    body: dict[str, Any] = deepcopy(dict(EXAMPLE))
    for path, value in changes:
        *way, last = path.split(".")
        at = body
        for step in way:
            at = at[step]
        if value is None:
            del at[last]
        else:
            at[last] = value
    return body


def features(*changes: tuple[str, Any]) -> dict[str, float]:
    made = PRODUCT.to_inputs(PRODUCT.request.model_validate(asked(*changes)), NOW)["features"]
    return dict(zip(NAMES, made[0].tolist(), strict=True))


def answer(model: PortfolioHealth, *changes: tuple[str, Any]) -> HealthResponse:
    request = PRODUCT.request.model_validate(asked(*changes))
    inputs = dict(PRODUCT.to_inputs(request, NOW))
    model.input_schema.validate(inputs)
    told = PRODUCT.to_response(request, Served(model.predict(inputs), model_version="3", generated_at="now"))
    assert isinstance(told, HealthResponse)
    return told


def test_every_field_of_the_document_reaches_the_model() -> None:
    body = asked()
    blocks = ("portfolio_metrics", "risk_metrics", "diversification", "performance", "user_context")
    given = {k: v for block in blocks for k, v in body[block].items()} | body["portfolio_metrics"]["asset_allocation"]
    found = features()
    for name in set(given) - {"asset_allocation", "sector_concentration", "sector_names", "risk_profile"}:
        assert found[name] == given[name], name
    assert [found[f"sector_concentration_{i}"] for i in range(1, 6)] == [45, 20, 15, 12, 8]
    assert found["risk_profile"] == 1


def test_sectors_are_sorted_and_fewer_than_five_are_filled_up() -> None:
    found = features(("portfolio_metrics.sector_concentration", [30.0, 70.0]), ("portfolio_metrics.sector_names", None))
    assert [found[f"sector_concentration_{i}"] for i in range(1, 6)] == [70, 30, 0, 0, 0]


@pytest.mark.parametrize("shares", [[20.0], [45.0, 20.0, 10.0], [20.0, 10.0, 10.0, 10.0, 10.0]])
def test_sectors_that_leave_money_nowhere_are_refused(shares: list[float]) -> None:
    """They would pass for a better spread portfolio than it is."""
    changes = ("portfolio_metrics.sector_concentration", shares), ("portfolio_metrics.sector_names", None)
    with pytest.raises(InvalidRequest, match=f"sum to {sum(shares):g} %; the rest of the equity part is in none"):
        features(*changes)


def test_five_of_more_sectors_need_not_sum_to_the_whole() -> None:
    shares = ("portfolio_metrics.sector_concentration", [20.0, 10.0, 10.0, 10.0, 10.0])
    assert features(shares, ("diversification.num_sectors", 9))["num_sectors"] == 9


def test_shares_in_whole_percent_are_taken() -> None:
    """Three thirds of a portfolio, as a page shows them."""
    thirds = {"equity_percent": 33.0, "debt_percent": 33.0, "gold_percent": 33.0, "cash_percent": 0.0}
    sectors = ("portfolio_metrics.sector_concentration", [33.0, 33.0, 33.0])
    nameless = ("portfolio_metrics.sector_names", None)
    assert features(("portfolio_metrics.asset_allocation", thirds), sectors, nameless)["debt_percent"] == 33
    with pytest.raises(InvalidRequest, match="sum to 97 %"):
        features(("portfolio_metrics.asset_allocation", {**thirds, "gold_percent": 31.0}))


def test_cash_need_not_be_counted_as_a_class() -> None:
    assert features(("diversification.num_asset_classes", 3))["num_asset_classes"] == 3


def test_a_portfolio_that_never_fell_is_taken() -> None:
    assert features(("risk_metrics.max_drawdown", 0.0))["max_drawdown"] == 0


def test_a_fall_is_a_fall_whatever_its_sign() -> None:
    assert features(("risk_metrics.max_drawdown", -16.5)) == features()


@pytest.mark.parametrize(
    ("path", "value", "problem"),
    [
        ("portfolio_metrics.asset_allocation.debt_percent", 60.0, "sum to 140 %"),
        ("portfolio_metrics.sector_concentration", [80.0, 40.0, 1.0, 1.0, 1.0], "sectors sum to 123 %"),
        ("portfolio_metrics.sector_concentration", [0.45, 0.2, 0.15, 0.12, 0.08], "45 for 45 %"),
        ("portfolio_metrics.sector_concentration", [0.0, 0.0, 0.0, 0.0, 0.0], "no sector has a share"),
        ("portfolio_metrics.sector_names", ["IT"], "1 names for 5 sectors"),
        ("diversification.num_sectors", 3, "5 sectors have a share"),
        ("diversification.herfindahl_index", 0.02, "below 1/14"),
        ("risk_metrics.volatility", 0.13, "18.5 and not 0.185"),
        ("risk_metrics.max_drawdown", -0.165, "16.5 and not 0.165"),
        ("diversification.num_asset_classes", 2, "3 classes beside cash have a share"),
        ("portfolio_metrics", None, "portfolio_metrics"),
        ("user_context", None, "user_context"),
    ],
)
def test_what_no_portfolio_can_be_is_refused(path: str, value: Any, problem: str) -> None:
    request = PRODUCT.request.model_validate(asked((path, value)))
    with pytest.raises(InvalidRequest, match=problem) as refused:
        PRODUCT.to_inputs(request, NOW)
    assert refused.value.remedy
    assert refused.value.path


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("portfolio_metrics.asset_allocation.debt_percent", -5.0),
        ("portfolio_metrics.num_holdings", 0),
        ("portfolio_metrics.total_value", -1.0),
        ("portfolio_metrics.total_value", "1250000"),
        ("portfolio_metrics.sector_concentration", [20.0] * 6),
        ("portfolio_metrics.sector_names", ["IT", " ", "FMCG", "Healthcare", "Automobile"]),
        ("diversification.herfindahl_index", 1500.0),
        ("risk_metrics.volatility", float("nan")),
        ("user_context.risk_profile", "reckless"),
        ("user_context.age", -3),
        ("portfolio_metrics.quantity", 3.0),
    ],
)
def test_what_is_out_of_bounds_is_refused_by_its_shape(path: str, value: Any) -> None:
    with pytest.raises(ValidationError, match=path.rsplit(".", maxsplit=1)[-1]):
        PRODUCT.request.model_validate(asked((path, value)))


def test_the_answer_is_the_documents(model: PortfolioHealth) -> None:
    told = answer(model)
    outputs = model.predict(dict(PRODUCT.to_inputs(PRODUCT.request.model_validate(asked()), NOW)))
    assert told.health_score == round(float(outputs["health_score"][0]))
    assert list(told.components.model_dump().values()) == [round(c) for c in outputs["components"][0].tolist()]
    assert told.score_interval[0] < told.health_score < told.score_interval[1]
    assert told.score_interval == [round(float(outputs[end][0]), 1) for end in ("lower", "upper")]
    assert told.confidence == round(float(outputs["confidence"][0]), 4)
    assert PRODUCT.value is not None
    assert PRODUCT.value(told) == told.health_score
    assert (told.model_version, told.generated_at) == ("3", "now")


@pytest.mark.parametrize("holdings", [1, 500])
def test_one_holding_and_five_hundred_are_answered(model: PortfolioHealth, holdings: int) -> None:
    told = answer(
        model,
        ("portfolio_metrics.num_holdings", holdings),
        ("diversification.herfindahl_index", 1.0 if holdings == 1 else 0.004),
    )
    assert 0 <= told.health_score <= 100


def test_a_portfolio_without_equity_is_answered(model: PortfolioHealth) -> None:
    allocation = {"equity_percent": 0.0, "debt_percent": 80.0, "gold_percent": 0.0, "cash_percent": 20.0}
    told = answer(
        model,
        ("portfolio_metrics.asset_allocation", allocation),
        ("portfolio_metrics.sector_concentration", []),
        ("portfolio_metrics.sector_names", None),
        ("diversification.num_sectors", 0),
        ("risk_metrics.volatility", 0.6),
    )
    assert not any("sector" in r.message for r in told.recommendations)


def test_recommendations_say_what_the_model_says(model: PortfolioHealth) -> None:
    """Every impact is a change of the score that the model gave, in descending order and one of each group."""
    skewed = ("portfolio_metrics.sector_concentration", [80.0, 8.0, 6.0, 4.0, 2.0])
    told = answer(model, skewed)
    inputs = dict(PRODUCT.to_inputs(PRODUCT.request.model_validate(asked(skewed)), NOW))
    changes = model.predict(inputs)["counterfactual_change"][0]
    best: dict[str, float] = {}
    for action, change in zip(ACTIONS, changes.tolist(), strict=True):
        best[action.group] = max(best.get(action.group, 0.0), change)
    want = sorted((round(c) for c in best.values() if c >= 1), reverse=True)
    assert [int(r.impact.removesuffix(" health score")) for r in told.recommendations] == want
    assert "Consider reducing IT sector exposure (currently 80%)" in [r.message for r in told.recommendations]
    nameless = answer(model, skewed, ("portfolio_metrics.sector_names", None))
    assert "Consider reducing exposure to your largest sector (currently 80%)" in [
        r.message for r in nameless.recommendations
    ]


def test_every_action_has_words_and_small_changes_are_not_worth_them() -> None:
    values = dict(zip(NAMES, [1.0] * len(NAMES), strict=True))
    for i, action in enumerate(ACTIONS):
        changes = np.full((1, len(ACTIONS)), 0.99)
        changes[0, i] = 4.7
        outputs = {"counterfactual_change": changes, "counterfactual_target": np.full((1, len(ACTIONS)), 3.0)}
        (advice,) = advise(outputs, 0, values)
        assert (advice.kind, advice.priority, advice.impact) == (action.kind, "high", "+5 health score")
        assert advice.message.startswith("Consider ")


def test_priority_follows_the_impact() -> None:
    assert [priority(c) for c in (1.0, 2.4, 2.5, 4.4, 4.6, 12.0)] == ["low", "low", "medium", "medium", "high", "high"]
