"""The whole model on a universe whose risk is known: on target, point in time, and clear about bad requests."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from components.data.dataset import Dataset
from components.data.panel import Panel
from components.errors import DataRejected, InvalidRequest
from components.evaluation.judge import Judged
from components.models.portfolio.position_sizing.claims import claims, portfolio_risk, risk_ratio, target_risk
from components.models.portfolio.position_sizing.conditions import observe
from components.models.portfolio.position_sizing.data import HORIZON, build_rows
from components.models.portfolio.position_sizing.judge import JUDGE
from components.models.portfolio.position_sizing.model import PositionSizing
from components.models.portfolio.position_sizing.table import COLUMN, returns_of

Parts = tuple[Dataset, Dataset, Dataset]
NUMBERS = ("recommended_position", "stop_loss", "take_profit", "correlation_risk", "confidence", "expected_risk")


def question(**changed: Any) -> dict[str, np.ndarray]:
    """Return one row: 40 % in JPM and KO, the rest cash, asking about AAPL."""
    account = {
        "portfolio_value": 1000.0,
        "cash": 600.0,
        "positions": 2.0,
        "vix": 20.0,
        "market_trend": 0.0,
        "sector_rotation": 0.0,
        "target_volatility": 0.15,
        "recent_volatility": 0.3,
    }
    account |= {name: value for name, value in changed.items() if name in account}
    held = changed.get("held", ("JPM", "KO"))
    weight = changed.get("weight", (0.25, 0.15))
    return {
        "account": np.array([list(account.values())]),
        "symbol": np.array([changed.get("symbol", "AAPL")], dtype=object),
        "security_id": np.array([list(held)], dtype=object).reshape(1, len(held)),
        "weight": np.array([list(weight)], dtype=float).reshape(1, len(weight)),
        "holding_volatility": np.zeros((1, len(held))),
    }


def position(model: PositionSizing, **changed: Any) -> float:
    return float(model.predict(question(**changed))["recommended_position"][0])


def judged(model: PositionSizing, parts: Parts) -> Judged:
    history, test = parts[0], parts[2]
    outputs = model.predict(test.inputs)
    rivals = {name: answer(history, test) for name, answer in JUDGE.baselines.items()}
    losses = {name: JUDGE.loss(answer, test) for name, answer in rivals.items()}
    params = {"stop": 0.1, "take": 0.25, "paths": 1000, "seed": 7}
    return Judged(test, outputs, rivals, JUDGE.loss(outputs, test), losses, np.zeros(len(test), dtype=np.int64), params)


def test_realised_risk_is_on_target_where_volatility_comes_and_goes(sizer: PositionSizing, parts: Parts) -> None:
    made = judged(sizer, parts)
    assert made.loss.mean() < 0.8 * made.baseline_losses["unscaled_volatility"].mean()
    assert made.loss.mean() < 0.8 * made.baseline_losses["fixed_fraction"].mean()
    verdicts = {claim.name: claim for claim in claims(made)}
    assert verdicts["risk_on_target"].passed
    assert verdicts["stated_risk"].passed
    assert verdicts["stop_loss_reached"].passed
    assert len(JUDGE.figures(made)) == 1


def test_a_model_that_takes_twice_the_risk_is_told_so(sizer: PositionSizing, parts: Parts) -> None:
    test = parts[2]
    alone = test.targets["book_returns"].any(axis=1) == 0
    weight = 2 * sizer.predict(test.inputs)["volatility_position"] / 100
    ratio = portfolio_risk(weight, test)[alone] / target_risk(test)[alone]
    pooled, low, _ = risk_ratio(ratio, test.times[alone])
    assert low > 1.5
    assert pooled == pytest.approx(2, rel=0.15)


@pytest.mark.parametrize("name", ["vix", "recent_volatility"])
def test_a_nervous_market_or_security_shrinks_the_position(sizer: PositionSizing, name: str) -> None:
    values = {"vix": (12.0, 25.0, 60.0), "recent_volatility": (0.15, 0.3, 0.6)}[name]
    found = [position(sizer, **{name: value}) for value in values]
    assert found[0] >= found[1] >= found[2]
    assert found[0] > found[2]


def test_holding_what_moves_alike_shrinks_the_position(sizer: PositionSizing, parts: Parts) -> None:
    table = sizer.member.table  # type: ignore[attr-defined]
    correlation = table.correlation.copy()
    asked, held = (table.names.index(n) for n in ("AAPL", "JPM"))
    found = []
    for value in (0.0, 0.4, 0.9):
        correlation[asked, held] = correlation[held, asked] = value
        changed = PositionSizing()
        changed.member = type(sizer.member)(sizer.params)  # type: ignore[attr-defined, call-arg]
        vars(changed.member).update(vars(sizer.member) | {"table": replace(table, correlation=correlation.copy())})
        found.append(position(changed, held=("JPM",), weight=(0.4,), positions=1.0))
    assert found[0] > found[1] > found[2]


def test_every_input_is_used(sizer: PositionSizing) -> None:
    plain = sizer.predict(question())
    changes: dict[str, Any] = {
        "vix": 35.0,
        "market_trend": 1.0,
        "sector_rotation": 0.3,
        "target_volatility": 0.2,
        "recent_volatility": 0.5,
        "symbol": "PG",
        "held": ("JPM", "MSFT"),
    }
    for name, value in changes.items():
        other = sizer.predict(question(**{name: value}))
        assert any(plain[n][0] != other[n][0] for n in (*NUMBERS, "expected_return")), name
    unlisted = {n: position(sizer, held=(), weight=(), positions=n) for n in (1.0, 8.0)}
    assert unlisted[1.0] != unlisted[8.0], "the number of positions says how spread the book is"


def test_cash_is_the_limit_of_a_calm_security(sizer: PositionSizing) -> None:
    asked = question(cash=100.0, weight=(0.5, 0.4), recent_volatility=0.05, vix=10.0, target_volatility=0.6)
    answer = sizer.predict(asked)
    assert answer["recommended_position"][0] == pytest.approx(10)
    assert answer["binding"][0] == "cash"


def test_a_book_above_its_target_leaves_no_room(sizer: PositionSizing) -> None:
    answer = sizer.predict(question(target_volatility=0.02))
    assert answer["recommended_position"][0] == 0
    assert answer["expected_risk"][0] > 2


def test_what_is_held_of_the_security_counts_as_part_of_the_position(sizer: PositionSizing) -> None:
    bought = position(sizer, held=("JPM", "KO", "AAPL"), weight=(0.25, 0.15, 0.1), cash=500.0, positions=3.0)
    assert bought == pytest.approx(position(sizer), rel=1e-9)


def test_unknown_volatility_and_target_fall_back_to_the_artifacts(sizer: PositionSizing) -> None:
    table = sizer.member.table  # type: ignore[attr-defined]
    told = {"recent_volatility": table.recent[table.names.index("AAPL")], "target_volatility": table.market}
    assert position(sizer, recent_volatility=0.0, target_volatility=0.0) == position(sizer, **told)


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"symbol": "TSLA"}, "'TSLA' is not one"),
        ({"held": ("JPM", "TSLA")}, "'TSLA' is not one"),
        ({"weight": (0.55, -0.15)}, "-0.15 is negative"),
        ({"weight": (0.4,)}, "2 securities have 1 weights"),
    ],
)
def test_bad_requests_are_refused_with_the_value(sizer: PositionSizing, changed: dict[str, Any], told: str) -> None:
    with pytest.raises(InvalidRequest, match=told):
        sizer.predict(question(**changed))


@pytest.mark.parametrize("count", [1, 500])
def test_one_holding_and_five_hundred_lots(sizer: PositionSizing, count: int) -> None:
    names = tuple(("JPM", "KO", "MSFT")[i % 3] for i in range(count))
    answer = sizer.predict(question(held=names, weight=(0.4 / count,) * count, positions=float(count)))
    assert 0 < answer["recommended_position"][0] <= 60


def test_a_batch_answers_as_its_rows_and_as_it_was_saved(sizer: PositionSizing, parts: Parts, tmp_path: Path) -> None:
    inputs = {name: values[:40] for name, values in parts[2].inputs.items()}
    batch = sizer.predict(inputs)
    sizer.save(tmp_path)
    again = PositionSizing.load(tmp_path).predict(inputs)
    for name in NUMBERS:
        alone = [sizer.predict({k: v[i : i + 1] for k, v in inputs.items()})[name][0] for i in range(40)]
        np.testing.assert_allclose(batch[name], alone, rtol=1e-9)
        np.testing.assert_array_equal(batch[name], again[name])


def test_padding_holds_nothing(sizer: PositionSizing) -> None:
    short = question()
    padded = question(held=("JPM", "KO", "", ""), weight=(0.25, 0.15, 0.0, 0.0))
    assert sizer.predict(short)["recommended_position"][0] == sizer.predict(padded)["recommended_position"][0]


def test_the_past_of_a_row_does_not_change_with_its_future(universe: Panel, rows: Dataset) -> None:
    cut = 1500
    before = build_rows(Panel(universe.times[:cut], universe.names, universe.close[:cut]))
    assert len(before) > 100
    for name, values in before.inputs.items():
        np.testing.assert_array_equal(values, rows.inputs[name][: len(before)])
    known = observe(universe)
    changed = universe.close.copy()
    changed[cut:] *= np.linspace(1, 3, len(changed) - cut)[:, None]
    again = observe(Panel(universe.times, universe.names, changed))
    for name in ("volatility", "vix", "trend", "rotation"):
        np.testing.assert_array_equal(getattr(known, name)[:cut], getattr(again, name)[:cut])


def test_outcomes_begin_after_the_question_and_tile_time(universe: Panel, rows: Dataset) -> None:
    names, returns = returns_of(rows)
    at = int(np.flatnonzero(universe.times == rows.times[0])[0])
    order = [universe.names.index(name) for name in names]
    np.testing.assert_array_equal(returns, universe.returns[at : at + len(returns), order])
    assert (rows.label_times > rows.times).all()
    first = universe.close[at + 1, 0] / universe.close[at, 0] - 1
    assert rows.targets["symbol_returns"][0, 0] == pytest.approx(first)
    assert returns.shape[0] % HORIZON == 0


def test_baselines_do_not_read_the_test_rows_targets(parts: Parts) -> None:
    blind = replace(parts[2], targets={name: values * 0 for name, values in parts[2].targets.items()})
    for answer in JUDGE.baselines.values():
        seen, unseen = (answer(parts[0], test)["recommended_position"] for test in (parts[2], blind))
        np.testing.assert_array_equal(seen, unseen)


def test_the_accounts_target_is_above_what_the_book_has(rows: Dataset) -> None:
    account = rows.inputs["account"]
    total = account[:, COLUMN["cash"]] / account[:, COLUMN["portfolio_value"]] + rows.inputs["weight"].sum(axis=1)
    np.testing.assert_allclose(total, 1)
    assert (account[:, COLUMN["positions"]] == (rows.inputs["security_id"] != "").sum(axis=1)).all()
    assert not (rows.inputs["security_id"] == rows.inputs["symbol"][:, None]).any()


def test_too_short_a_panel_is_refused(universe: Panel) -> None:
    with pytest.raises(DataRejected, match="too few"):
        build_rows(Panel(universe.times[:230], universe.names, universe.close[:230]))
