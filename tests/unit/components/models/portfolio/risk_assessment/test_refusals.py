"""Requests that cannot be assessed, and what they are told."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from components.errors import InvalidRequest
from components.models.portfolio.risk_assessment.model import RiskAssessment
from tests.unit.components.models.portfolio.risk_assessment.conftest import ask

NAMES, WEIGHTS = ["AAA", "BBB", "CCC"], [0.5, 0.3, 0.2]


def refused(model: RiskAssessment, *request: Any, **changes: Any) -> str:
    with pytest.raises(InvalidRequest) as caught:
        model.predict(ask(*request, **changes))
    assert caught.value.remedy
    return str(caught.value)


def test_weights_that_do_not_add_up(model: RiskAssessment) -> None:
    assert "add up to 0.9, not to 1" in refused(model, NAMES, [0.5, 0.2, 0.2])
    assert "add up to 1.006" in refused(model, NAMES, [0.5, 0.3, 0.206])
    model.predict(ask(NAMES, [0.5, 0.3, 0.203]))


def test_weights_that_are_not_the_values_shares(model: RiskAssessment) -> None:
    told = refused(model, NAMES, WEIGHTS, current_value=np.array([[300.0, 500.0, 200.0]]))
    assert "AAA has weight 0.5, but 0.3 of the value" in told
    assert "worth 0" in refused(model, NAMES, WEIGHTS, current_value=np.zeros((1, 3)))


@pytest.mark.parametrize("tensor", ["quantity", "current_value", "weight"])
def test_short_positions(model: RiskAssessment, tensor: str) -> None:
    told = refused(model, NAMES, WEIGHTS, **{tensor: np.array([[5.0, -2.0, 2.0]])})
    assert f"{tensor}[1]: BBB has -2" in told


def test_a_value_of_nothing(model: RiskAssessment) -> None:
    told = refused(model, NAMES, WEIGHTS, quantity=np.array([[5.0, 0.0, 2.0]]))
    assert "quantity[1]: BBB is worth 300, but none of it is held" in told


def test_an_unknown_security_is_named_with_how_many_are_known(model: RiskAssessment) -> None:
    told = refused(model, ["AAA", "TCS", "CCC"], WEIGHTS)
    assert "security_id[1]: security 'TCS' is unknown; this version knows 6 securities" in told


def test_no_holding_at_all(model: RiskAssessment) -> None:
    assert "no holding" in refused(model, ["", ""], [0.0, 0.0])
    assert "not all given" in refused(model, NAMES, WEIGHTS, quantity=np.empty((1, 0)))


def test_a_volatility_of_nothing(model: RiskAssessment) -> None:
    told = refused(model, NAMES, WEIGHTS, volatility=np.array([[20.0, 0.0, 20.0]]))
    assert "the volatility of BBB is 0 %" in told


def correlation(*pairs: float) -> np.ndarray:
    ab, ac, bc = pairs
    return np.array([[[1, ab, ac], [ab, 1, bc], [ac, bc, 1.0]]])


def test_a_singular_correlation_names_its_eigenvalue_and_what_would_mend_it(model: RiskAssessment) -> None:
    told = refused(model, NAMES, WEIGHTS, correlation=correlation(1.0, 0.3, 0.3))
    assert "singular" in told
    told = refused(model, NAMES, WEIGHTS, correlation=correlation(0.9, 0.9, -0.9))
    assert "indefinite: its smallest eigenvalue is -0.8" in told
    shrink = float(told.split("at least ")[1].split(",")[0])
    mended = (1 - shrink) * correlation(0.9, 0.9, -0.9) + shrink * np.eye(3)
    assert np.linalg.eigvalsh(mended[0])[0] > 0
    model.predict(ask(NAMES, WEIGHTS, correlation=mended))


def test_what_is_no_correlation_matrix(model: RiskAssessment) -> None:
    assert "the value at [0][1] is 1e+308, no" in refused(
        model, NAMES, WEIGHTS, correlation=correlation(1e308, 0.3, 0.4)
    )
    lopsided = correlation(0.2, 0.3, 0.4)
    lopsided[0, 0, 1] = 0.25
    assert "not symmetric: 0.25 at [0][1], 0.2 at [1][0]" in refused(model, NAMES, WEIGHTS, correlation=lopsided)
    assert "the diagonal is 2 at 0" in refused(model, NAMES, WEIGHTS, correlation=2 * correlation(0.2, 0.3, 0.4))


def test_a_security_twice_has_no_correlation_to_exchange(model: RiskAssessment) -> None:
    twice = ["AAA", "AAA", "CCC"]
    model.predict(ask(twice, WEIGHTS))
    assert "own correlation is singular" in refused(model, twice, WEIGHTS, correlation=correlation(0.2, 0.3, 0.4))
