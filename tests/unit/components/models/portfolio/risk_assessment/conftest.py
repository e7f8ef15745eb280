"""A universe whose truth is known: one factor, heavy tails, GJR variances; and an assessor over it, without training."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from components.models.portfolio.risk_assessment.model import Assessor, RiskAssessment
from components.models.portfolio.risk_assessment.params import Params
from components.models.portfolio.risk_assessment.universe import DEPTHS, MONTHS, Facts, Universe

NAMES = ("AAA", "BBB", "CCC", "DDD", "EEE", "FFF")
SECTORS = ("Energy", "Energy", "IT", "IT", "IT", "Utilities")
POOL = 2000


def make_universe(names: tuple[str, ...] = NAMES, sectors: tuple[str, ...] = SECTORS) -> Universe:
    rng = np.random.default_rng(5)
    n = len(names)
    market = rng.standard_t(6, POOL)
    residuals = 0.6 * market[:, None] + 0.8 * rng.standard_t(6, (POOL, n))
    residuals = (residuals - residuals.mean(axis=0)) / residuals.std(axis=0)
    volatility = np.linspace(0.01, 0.02, n)
    index = (residuals * volatility).mean(axis=1)
    pool = np.column_stack([residuals, index / index.std()])
    crises = np.stack([np.linspace(-0.3, -0.4, n), np.linspace(-0.5, -0.2, n), np.linspace(-0.2, -0.1, n)])
    months = np.arange(MONTHS + 1.0)
    return Universe(
        facts=Facts(names, sectors, 0.0003, -0.0004, 0.0004, 0.97, 0.05, 0.6),
        residuals=pool[:, :-1].astype(np.float32),
        market=pool[:, -1].astype(np.float32),
        volatility=np.append(volatility, index.std()),
        long_run=np.append(volatility, index.std()),
        alpha=np.full(n + 1, 0.02),
        gamma=np.full(n + 1, 0.08),
        beta=np.full(n + 1, 0.92),
        recent=(pool[-500:, :-1] * volatility).astype(np.float32),
        crises=crises,
        lasting=np.stack([np.exp(-months / (60 * depth)) for depth in DEPTHS]),
    )


def make_model(universe: Universe, **params: Any) -> RiskAssessment:
    model = RiskAssessment(Params(**params))
    model.member = Assessor(model.params)._adopt(universe)
    return model


def ask(names: list[str], weights: list[float], **changes: Any) -> dict[str, Any]:
    """One request's tensors."""
    weight = np.array([weights])
    tensors: dict[str, Any] = {
        "security_id": np.array([names], dtype=object),
        "weight": weight,
        "quantity": 10 * weight,
        "current_value": 1000 * weight,
        "volatility": np.empty((1, 0)),
        "correlation": np.empty((1, 0, 0)),
        "conditions": np.zeros((1, 3)),
        "profile": np.array([[0.25, 24.0, 0.1]]),
    }
    return tensors | changes


@pytest.fixture(scope="session")
def universe() -> Universe:
    return make_universe()


@pytest.fixture(scope="session")
def model(universe: Universe) -> RiskAssessment:
    return make_model(universe)


@pytest.fixture(scope="session")
def still(universe: Universe) -> RiskAssessment:
    """Constant variances, no drift, no say of the own history: closed forms hold."""
    n = len(universe.alpha)
    calm = replace(
        universe,
        facts=replace(universe.facts, market_drift=0.0, bear_tilt=0.0, bull_tilt=0.0),
        alpha=np.zeros(n),
        gamma=np.zeros(n),
        beta=np.ones(n),
    )
    return make_model(calm, own_history=0.0, paths=20_000)
