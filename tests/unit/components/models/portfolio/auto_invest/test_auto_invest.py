"""The model's answers: limits, order, size, and what it refuses."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from components.errors import InvalidRequest
from components.models.portfolio.auto_invest.model import AutoInvest
from components.models.portfolio.auto_invest.signals import TRAITS
from components.models.schema import Batch

Ask = Callable[..., Batch]
FOUR = ("AAPL", "JPM", "KO", "XOM")


def test_left_out_securities_stand_for_all_of_them(model: AutoInvest, ask: Ask) -> None:
    out = model.predict(ask())
    assert out["security"][0].tolist() == list(model.member.known.names)
    assert out["allocation"].shape == (1, len(model.member.known.names))
    invested = out["allocation"].sum() + out["trade"][0, 3] + out["trade"][0, 2] / 100_000
    assert invested == pytest.approx(1, abs=1e-12)


def test_contributions_explain_the_annual_return(model: AutoInvest, ask: Ask) -> None:
    out = model.predict(ask(FOUR, (0.4, 0.3, 0.2, 0.1)))
    assert out["contribution"].sum() == pytest.approx(out["performance"][0, 0], rel=1e-12)


def test_limits_are_kept(model: AutoInvest, ask: Ask) -> None:
    out = model.predict(ask(limits={"IT": 0.1, "Finance": 0.05}, max_position_size=0.2, max_positions=6.0))
    weights = out["allocation"][0]
    assert weights.max() <= 0.2 + 1e-12
    assert np.count_nonzero(weights) <= 6
    assert weights[:2].sum() <= 0.1 + 1e-12
    assert weights[2:4].sum() <= 0.05 + 1e-12


def test_infeasible_limits_leave_cash(model: AutoInvest, ask: Ask) -> None:
    out = model.predict(ask(max_position_size=0.1, max_positions=3.0))
    assert out["allocation"].sum() <= 0.3 + 1e-12
    assert out["trade"][0, 3] >= 0.69


def test_one_holding_and_its_limit(model: AutoInvest, ask: Ask) -> None:
    out = model.predict(ask(("KO",), (1.0,), max_position_size=0.5))
    assert out["allocation"][0, 0] <= 0.5
    assert out["trade"][0, 0] == 1


def test_five_hundred_holdings(build_model: Callable[..., AutoInvest], ask: Ask) -> None:
    names = tuple(f"S{i}" for i in range(500))
    model = build_model(names, tuple(f"sector {i % 11}" for i in range(500)), 400)
    out = model.predict(ask(names, (1 / 500,) * 500, max_positions=40.0))
    assert np.count_nonzero(out["allocation"]) <= 40
    assert np.isfinite(out["performance"]).all()


def test_the_order_of_securities_does_not_matter(model: AutoInvest, ask: Ask) -> None:
    shares, order = np.array([0.4, 0.3, 0.2, 0.1]), [2, 0, 3, 1]
    straight = model.predict(ask(FOUR, tuple(shares)))
    turned = model.predict(ask(tuple(FOUR[i] for i in order), tuple(shares[order])))
    np.testing.assert_allclose(straight["allocation"][0, order], turned["allocation"][0], rtol=1e-9)
    np.testing.assert_allclose(straight["performance"], turned["performance"], rtol=1e-9)


def test_padding_is_no_holding(model: AutoInvest, ask: Ask) -> None:
    padded, plain = ask((*FOUR, "", ""), (0.4, 0.3, 0.2, 0.1, 0.0, 0.0)), ask(FOUR, (0.4, 0.3, 0.2, 0.1))
    one, other = model.predict(padded), model.predict(plain)
    np.testing.assert_array_equal(one["allocation"][0, :4], other["allocation"][0])
    assert (one["allocation"][0, 4:] == 0).all()
    np.testing.assert_array_equal(one["performance"], other["performance"])


def test_a_batch_equals_its_rows(model: AutoInvest, ask: Ask) -> None:
    rows = [ask(FOUR, (0.4, 0.3, 0.2, 0.1)), ask(FOUR, (0.1, 0.1, 0.1, 0.1), risk_tolerance=0.1)]
    batch = {name: np.concatenate([row[name] for row in rows]) for name in rows[0]}
    whole = model.predict(batch)
    for i, row in enumerate(rows):
        for name, values in model.predict(row).items():
            np.testing.assert_array_equal(values[0], whole[name][i])


BULL, BEAR = (0.12, 0.9, 0.05, 0.05, 0.02), (0.6, -0.9, -0.15, -0.15, 0.08)


@pytest.mark.parametrize(
    ("change", "market"),
    [
        ({"unrealized_pnl": 30_000.0}, BULL),
        ({"risk_tolerance": 0.3}, BULL),
        ({"max_position_size": 0.26}, BULL),
        ({"investment_amount": 50_000.0}, BULL),
        ({}, (0.35, *BULL[1:])),
        ({}, (BULL[0], -0.9, *BULL[2:])),
        ({}, (*BULL[:2], -0.2, *BULL[3:])),
        ({}, (*BULL[:3], -0.2, BULL[4])),
        ({}, (*BULL[:4], 0.2)),
    ],
)
def test_every_part_of_the_state_is_used(
    model: AutoInvest, ask: Ask, change: dict[str, float], market: tuple[float, ...]
) -> None:
    base = model.predict(ask(limits={"IT": 0.9}, market=BULL))
    other = model.predict(ask(limits={"IT": 0.9}, market=market, **change))
    assert not np.array_equal(base["allocation"], other["allocation"])


def test_cash_and_value_are_used(model: AutoInvest, ask: Ask) -> None:
    small, large = (model.predict(ask(FOUR, (0.1,) * 4, total_value=v)) for v in (1e5, 1e6))
    np.testing.assert_allclose(small["allocation"], large["allocation"])
    assert large["trade"][0, 2] == pytest.approx(10 * small["trade"][0, 2])


def test_a_market_that_is_not_given_is_the_newest_known(model: AutoInvest, ask: Ask) -> None:
    newest = tuple(model.member.known.market.tolist())
    np.testing.assert_array_equal(model.predict(ask())["allocation"], model.predict(ask(market=newest))["allocation"])


def test_traits_of_a_request_take_the_place_of_the_newest_known(model: AutoInvest, ask: Ask) -> None:
    plain = ask(FOUR)
    known = model.member.known.traits[[model.member.known.place[n] for n in FOUR]]
    same = {**plain, **{n: known[None, :, i].copy() for i, n in enumerate(TRAITS)}}
    np.testing.assert_array_equal(model.predict(plain)["allocation"], model.predict(same)["allocation"])
    moved = {**same, "momentum": same["momentum"][:, ::-1] + np.array([[0, 0.5, 0, 0]])}
    assert not np.array_equal(model.predict(plain)["allocation"], model.predict(moved)["allocation"])


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        ({"ids": ("AAPL", "TCS"), "current": (0.5, 0.5)}, "'TCS' is unknown"),
        ({"ids": ("AAPL", "AAPL"), "current": (0.5, 0.5)}, "named twice"),
        ({"ids": ("AAPL", "KO"), "current": (0.7, 0.5)}, "add up to 1.2"),
        ({"ids": ("AAPL", "KO"), "current": (1.5, -0.5)}, "negative"),
        ({"ids": ("", "")}, "no security is named"),
        ({"total_value": 0.0}, "nothing to invest"),
        ({"max_position_size": 0.0}, "max_position_size is 0"),
        ({"limits": {"Teck": 0.1}}, "no sector 'Teck'"),
        ({"cash_balance": 0.0}, "nothing to invest"),
    ],
)
def test_what_cannot_be_answered_is_refused_with_the_reason(
    model: AutoInvest, ask: Ask, arguments: dict[str, object], match: str
) -> None:
    with pytest.raises(InvalidRequest, match=match) as caught:
        model.predict(ask(**arguments))
    assert caught.value.remedy
    assert caught.value.path


@pytest.mark.parametrize("column", range(7))
def test_a_part_of_the_strategy_can_be_moved_alone(model: AutoInvest, ask: Ask, column: int) -> None:
    """What an explanation by sensitivity asks: the other parts stay, and the answer is one all the same."""
    row = ask(FOUR, (0.2,) * 4, investment_amount=5_000.0, unrealized_pnl=1_000.0, risk_tolerance=0.5)
    moved = row["strategy"].copy()
    moved[0, column] *= 0.7
    out = model.predict({**row, "strategy": moved})
    held = out["allocation"].sum() + out["trade"][0, 3] + 0.001 * out["trade"][0, 1]
    assert held == pytest.approx(1, abs=1e-12)


def test_new_money_alone_starts_a_strategy(model: AutoInvest, ask: Ask) -> None:
    out = model.predict(ask(total_value=0.0, cash_balance=0.0, investment_amount=10_000.0))
    assert out["allocation"].sum() > 0.5
    assert out["trade"][0, 2] == pytest.approx(10_000 * 0.001 * out["allocation"].sum())


def test_saved_and_loaded_again_it_answers_the_same(model: AutoInvest, ask: Ask, tmp_path: Path) -> None:
    model.save(tmp_path)
    batch = ask(FOUR, (0.4, 0.3, 0.2, 0.1))
    want, got = model.predict(batch), AutoInvest.load(tmp_path).predict(batch)
    assert all(np.array_equal(want[name], got[name]) for name in want)
