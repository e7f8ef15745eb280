"""Simulated prices of known truth, and models that need no training."""

from collections.abc import Callable
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest

from components.models.portfolio.auto_invest.confidence import Confidence
from components.models.portfolio.auto_invest.member import Investor
from components.models.portfolio.auto_invest.model import AutoInvest
from components.models.portfolio.auto_invest.outlook import Outlook
from components.models.portfolio.auto_invest.params import Params
from components.models.portfolio.auto_invest.policy import Policy
from components.models.portfolio.auto_invest.question import Known
from components.models.portfolio.auto_invest.schemas import GIVEN, INPUTS, LIMITS
from components.models.portfolio.auto_invest.signals import History
from components.models.portfolio.auto_invest.tilts import ACTIONS, OBSERVED
from components.models.schema import Batch

TICKERS = ("AAPL", "MSFT", "JPM", "BAC", "KO", "PEP", "XOM", "CVX", "JNJ", "PFE")
SECTORS = tuple(s for s in ("Information Technology", "Financials", "FMCG", "Energy", "Health Care") for _ in "ab")


def closes(days: int, securities: int, seed: int = 7, drift: float = 0.0) -> np.ndarray:
    """Independent prices; without drift a martingale."""
    draws = 0.012 * np.random.default_rng(seed).standard_normal((days, securities))
    return 100 * np.cumprod(1 + drift + draws, axis=0)


@pytest.fixture(scope="session")
def history() -> History:
    return History(closes(900, len(TICKERS)), TICKERS, SECTORS)


@pytest.fixture(scope="session")
def bars() -> pd.DataFrame:
    close = closes(1200, len(TICKERS), drift=0.0003)
    times = pd.bdate_range("2015-01-01", periods=len(close), tz="UTC") + pd.Timedelta(hours=21)
    wide = pd.DataFrame(close, index=times, columns=list(TICKERS))
    long = wide.rename_axis("timestamp").melt(var_name="entity", value_name="close", ignore_index=False).reset_index()
    return long.assign(open=long["close"], high=long["close"], low=long["close"], volume=0.0)


def random_policy(seed: int = 3, scale: float = 1.0) -> Policy:
    generator = np.random.default_rng(seed)
    sizes = (len(OBSERVED), 8, len(ACTIONS))
    layers = [
        (scale * generator.standard_normal((b, a)) / np.sqrt(a), 0.1 * generator.standard_normal(b))
        for a, b in pairwise(sizes)
    ]
    return Policy((tuple(layers),))


def make_model(names: tuple[str, ...], sectors: tuple[str, ...], days: int = 700) -> AutoInvest:
    """A model with a random policy over simulated prices."""
    past = History(closes(days, len(names), drift=0.0004), names, sectors)
    member = Investor(Params(paths=100))
    member.policy = random_policy()
    member.known = Known(names, sectors, past.traits[-1], past.market[-1])
    member.outlook = Outlook(past.returns, member.params)
    member.confidence = Confidence(0.55, 0.5, 0.5)
    model = AutoInvest(member.params)
    model.member = member
    return model


@pytest.fixture(scope="session")
def model() -> AutoInvest:
    return make_model(TICKERS, SECTORS)


@pytest.fixture(scope="session")
def ask() -> Callable[..., Batch]:
    """Build one row of inputs by id."""

    def build(
        ids: tuple[str, ...] = (),
        current: tuple[float, ...] = (),
        limits: dict[str, float] | None = None,
        market: tuple[float, ...] | None = None,
        **strategy: float,
    ) -> Batch:
        values = {
            "total_value": 100_000.0,
            "unrealized_pnl": 0.0,
            "risk_tolerance": 1.0,
            "max_position_size": 1.0,
            "max_positions": 1000.0,
            "investment_amount": 0.0,
        } | strategy
        values.setdefault("cash_balance", max(0.0, values["total_value"] * (1 - sum(current))))
        named = list((limits or {}).items())
        made = {
            "strategy": np.array([[values[c.name] for c in INPUTS["strategy"].columns]]),
            "market": np.array([market or (0.0,) * 5]),
            "market_given": np.full((1, len(GIVEN)), market is not None),
            "limit_sector": np.array([[n for n, _ in named] + [""] * (LIMITS - len(named))], dtype=object),
            "limit_share": np.array([[s for _, s in named] + [1.0] * (LIMITS - len(named))]),
        }
        if ids:
            made["security_id"] = np.array([ids], dtype=object)
            made["current_allocation"] = np.array([current or (0.0,) * len(ids)])
        missing = {t.name: t.absent(1) for t in INPUTS.tensors if t.optional and t.name not in made}
        INPUTS.validate({**made, **missing})
        return {**made, **missing}

    return build


@pytest.fixture(scope="session")
def build_model() -> Callable[..., AutoInvest]:
    return make_model
