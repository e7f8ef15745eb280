"""The watch against model extraction: silent on real traffic, loud on simulated attacks."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt
import pytest

from components.data import embedded
from inference.gateway.limits.distinct import Distinct
from inference.gateway.limits.extraction_watch import ExtractionWatch, Suspicion
from inference.gateway.limits.sweeps import evenly_spaced

Array = npt.NDArray[np.float64]


@pytest.fixture(scope="module")
def bars() -> dict[str, Array]:
    """Daily open, high, low, close, volume of both embedded indices."""
    frame = embedded.bars()
    return {
        name: rows[["open", "high", "low", "close", "volume"]].to_numpy(float) for name, rows in frame.groupby("entity")
    }


def returns(rows: Array, lags: int) -> Array:
    """Windows of the latest daily log returns."""
    made: Array = np.lib.stride_tricks.sliding_window_view(np.diff(np.log(rows[:, 3])), lags).copy()
    return made


def suspicions(
    watch: ExtractionWatch, questions: Iterable[Array], caller: str = "caller"
) -> list[tuple[int, Suspicion]]:
    """Ask one after the other; return what was suspected, with how many questions it took."""
    seen = ((number, watch.observe(caller, "model", row)) for number, row in enumerate(questions, 1))
    return [(number, found) for number, found in seen if found is not None]


def augmented(seeds: Array, step: float, rounds: int) -> Array:
    """Jacobian-based augmentation (Papernot et al. 2017, arXiv:1602.02697) with a substitute network's gradient signs."""
    dice = np.random.default_rng(7)
    weights, scale, asked = dice.normal(size=(seeds.shape[1], 8)), seeds.std(axis=0), [seeds]
    for _ in range(rounds):
        known = np.vstack(asked)
        hidden = np.tanh((known - seeds.mean(axis=0)) / scale @ weights)
        gradient = ((1 - hidden**2) * dice.normal(size=8)) @ weights.T
        asked.append(known + step * scale * np.sign(gradient))
    return np.vstack(asked)


@pytest.mark.parametrize("entity", ["SP500", "NASDAQ"])
@pytest.mark.parametrize("lags", [0, 1, 2, 5, 22, 60, 300])
def test_market_data_raises_no_suspicion(bars: dict[str, Array], entity: str, lags: int) -> None:
    rows = bars[entity] if lags == 0 else returns(bars[entity], lags)
    assert len(rows) > 4000
    assert suspicions(ExtractionWatch(volume=0), rows) == []


def test_two_instruments_in_turn_and_three_horizons_raise_none(bars: dict[str, Array]) -> None:
    both = np.empty((9000, 22))
    both[0::2], both[1::2] = returns(bars["SP500"], 22)[:4500], returns(bars["NASDAQ"], 22)[:4500]
    assert suspicions(ExtractionWatch(volume=0), both) == []
    horizons = np.column_stack([np.repeat(both[:1500], 3, axis=0), np.tile([1.0, 5.0, 20.0], 1500)])
    assert suspicions(ExtractionWatch(volume=0), horizons) == []


def test_the_market_context_raises_none() -> None:
    rows = embedded.market()[["vix", "breadth", "dispersion"]].to_numpy(float)
    assert suspicions(ExtractionWatch(volume=0), rows) == []


def test_customers_and_questionnaires_raise_none() -> None:
    dice = np.random.default_rng(3)
    count = 4000
    ages, incomes = dice.integers(18, 80, count), dice.lognormal(11, 1, count).round(-2)
    customers = np.column_stack([ages, incomes, dice.integers(0, 5, count), dice.lognormal(9, 1, count).round()])
    assert suspicions(ExtractionWatch(volume=0), customers.astype(float)) == []
    assert suspicions(ExtractionWatch(volume=0), dice.integers(1, 6, (count, 8)).astype(float)) == []


@pytest.mark.parametrize(
    ("lags", "seeds", "within"), [(22, 100, 300), (22, 1000, 1200), (60, 100, 300), (300, 100, 900)]
)
def test_jacobian_based_augmentation_is_noticed(bars: dict[str, Array], lags: int, seeds: int, within: int) -> None:
    natural = returns(bars["SP500"], lags)
    chosen = np.random.default_rng(1).choice(len(natural), seeds, replace=False)
    found = suspicions(ExtractionWatch(), augmented(natural[chosen], 0.1, 4 if seeds < 1000 else 2))
    assert len(found) == 1, "once per caller, model and window"
    number, suspicion = found[0]
    assert suspicion.kind == "distances"
    assert number <= within
    assert "model" in suspicion.sentence
    assert "caller" not in suspicion.sentence


def test_it_is_noticed_between_natural_questions(bars: dict[str, Array]) -> None:
    natural = returns(bars["SP500"], 22)
    made_up = augmented(natural[np.random.default_rng(1).choice(len(natural), 100, replace=False)], 0.1, 4)
    mixed = np.empty((2 * len(made_up), 22))
    mixed[0::2], mixed[1::2] = made_up, natural[: len(made_up)]
    assert [found.kind for _, found in suspicions(ExtractionWatch(), mixed)] == ["distances"]


@pytest.mark.parametrize("shuffled", [False, True])
def test_a_grid_is_noticed(shuffled: bool) -> None:
    axes = np.meshgrid(*[np.linspace(0.0, 1.0, 12)] * 3, indexing="ij")
    grid = np.stack(axes, axis=-1).reshape(-1, 3)
    if shuffled:
        grid = np.random.default_rng(0).permutation(grid)
    found = suspicions(ExtractionWatch(), grid)
    assert [suspicion.kind for _, suspicion in found] == ["sweep"]
    assert found[0][0] <= (1000 if shuffled else 224)


def test_finite_differences_are_noticed(bars: dict[str, Array]) -> None:
    natural = returns(bars["SP500"], 22)
    steps = 1e-4 * np.eye(22)
    found = suspicions(ExtractionWatch(), np.vstack([np.vstack([row, row + steps]) for row in natural[:40]]))
    assert [suspicion.kind for _, suspicion in found] == ["sweep"]


def test_questions_of_other_widths_in_between_hide_nothing(bars: dict[str, Array]) -> None:
    natural = returns(bars["SP500"], 22)
    made_up = augmented(natural[np.random.default_rng(1).choice(len(natural), 100, replace=False)], 0.1, 4)
    watch, found = ExtractionWatch(), []
    for number, row in enumerate(made_up):
        watch.observe("caller", "model", natural[number, : 5 + number % 10])
        found.append(watch.observe("caller", "model", row))
    assert [suspicion.kind for suspicion in found if suspicion] == ["distances"]


@pytest.mark.filterwarnings("error")
def test_absurd_questions_do_not_blind_the_watch(bars: dict[str, Array]) -> None:
    natural = returns(bars["SP500"], 22)
    made_up = augmented(natural[np.random.default_rng(1).choice(len(natural), 100, replace=False)], 0.1, 4)
    dice, watch, found = np.random.default_rng(5), ExtractionWatch(), []
    for number, row in enumerate(made_up):
        if number % 10 == 0:
            absurd = dice.normal(size=22)
            absurd[dice.integers(22)] = dice.choice([1e308, -1e308, np.nan, np.inf, 1e30])
            found.append(watch.observe("caller", "model", absurd))
        found.append(watch.observe("caller", "model", row))
    assert [suspicion.kind for suspicion in found if suspicion] == ["distances"]


def test_volume_counts_different_questions_only(bars: dict[str, Array]) -> None:
    natural = returns(bars["SP500"], 5)
    watch = ExtractionWatch(volume=1000)
    assert suspicions(watch, np.repeat(natural[:500], 8, axis=0)) == []
    found = suspicions(watch, natural[500:])
    assert [suspicion.kind for _, suspicion in found] == ["volume"]
    assert 450 <= found[0][0] <= 600


def test_suspicion_is_told_once_per_window(bars: dict[str, Array]) -> None:
    now = [0.0]
    watch = ExtractionWatch(window_s=100.0, volume=200, clock=lambda: now[0])
    natural = returns(bars["SP500"], 5)
    assert len(suspicions(watch, natural[:1000])) == 1
    now[0] = 101.0
    assert len(suspicions(watch, natural[1000:2000])) == 1
    assert len(suspicions(watch, natural[:1000], "somebody else")) == 1


def test_memory_is_bounded(bars: dict[str, Array]) -> None:
    watch = ExtractionWatch(budget_bytes=5_000_000)
    row = returns(bars["SP500"], 22)[0]
    for number in range(500):
        watch.observe(f"caller {number}", "model", row)
    assert watch._bytes <= 5_000_000
    assert watch._bytes == sum(watched.nbytes for watched in watch._watched.values())
    assert ("caller 499", "model", 22) in watch._watched


def test_odd_questions_break_nothing() -> None:
    watch = ExtractionWatch()
    dice = np.random.default_rng(0)
    assert watch.observe("c", "m", []) is None
    for number in range(300):
        row = dice.normal(size=1 + number % 3)
        row[0] = dice.choice([np.nan, np.inf, -np.inf, 1e308, 0.0])
        watch.observe("c", "m", row)
    for _ in range(300):
        watch.observe("c", "same", [1.0, 2.0])
    assert watch._watched["c", "same", 2].added == 1


@pytest.mark.parametrize("count", [100, 5000, 20_000])
def test_distinct_is_estimated_within_three_percent(count: int) -> None:
    distinct = Distinct()
    for number in np.random.default_rng(0).integers(0, 2**62, count).tolist() * 2:
        distinct.add(number)
    assert abs(len(distinct) - count) <= 0.03 * count + 2


@pytest.mark.parametrize(
    ("values", "even"),
    [
        (np.linspace(-3, 9, 40), True),
        (np.geomspace(1e-3, 1e3, 25), True),
        (np.random.default_rng(0).normal(size=30), False),
        (np.random.default_rng(0).lognormal(9, 1, 30), False),
    ],
)
def test_grids_are_told_from_measurements(values: Array, even: bool) -> None:
    assert evenly_spaced(np.random.default_rng(1).permutation(values).tolist()) is even
