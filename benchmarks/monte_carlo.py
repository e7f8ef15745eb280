"""Time Monte Carlo paths on one core: 100,000 paths of 252 days of 20 assets, and what bounds them.

``python benchmarks/monte_carlo.py`` prints a Markdown page; ``--out docs/results/monte_carlo.md`` writes it. Every way
is timed whole, draws included, a block of paths at a time, as it would be used: of a block only figures are kept. Times
are the process's own (its one thread's), which others on the machine disturb less than the clock's; both are told.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

for _library in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[_library] = "1"

import numpy as np  # noqa: E402
import numpy.typing as npt  # noqa: E402

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from benchmarks.money.page import Bar, Page  # noqa: E402
from components.finance.drawdown import max_drawdown  # noqa: E402
from components.finance.paths import Dynamics, compound, draw_days, simulate_assets, simulate_projected  # noqa: E402
from components.finance.tail import expected_shortfall, value_at_risk  # noqa: E402

Array = npt.NDArray[np.float32]
PATHS, DAYS, ASSETS, POOL, BLOCK = 100_000, 252, 20, 2500, 4000
WANTED_S = 2.0
SEEDS = (7, 8, 9, 10, 11)
LONG_RUN = 1.2


def main() -> None:
    """Time every way and print or write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, help="file to write; printed when left out")
    asked = parser.parse_args()
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    text = measure().markdown()
    if asked.out:
        asked.out.parent.mkdir(parents=True, exist_ok=True)
        asked.out.write_text(text, encoding="utf-8")
    else:
        print(text)


def measure() -> Page:
    """Time every way, five times each with another seed."""
    page = Page("monte_carlo", "Monte Carlo", seeds=list(SEEDS))
    pool, volatility, weights = market()
    ways: dict[str, Callable[[int], Array]] = {
        "filtered historical simulation, every asset with its own GJR variance": lambda seed: assets(
            pool, volatility, weights, seed
        ),
        "filtered historical simulation, projected on the portfolio first": lambda seed: projected(
            pool @ (weights * volatility), seed
        ),
        "normal, every asset (Cholesky)": lambda seed: normal_assets(pool, volatility, weights, seed),
        "normal, projected on the portfolio first": lambda seed: normal_projected(pool, volatility, weights, seed),
        "only the 504 million normal numbers of the third": lambda seed: only_normals(seed),
    }
    rows = []
    for name, way in ways.items():
        times, clocks, tails = [], [], []
        for seed in SEEDS:
            began, clock = time.process_time(), time.perf_counter()
            ends = way(seed)
            times.append(time.process_time() - began)
            clocks.append(time.perf_counter() - clock)
            tails.append(ends)
        rows.append(_row(name, times, clocks, tails))
        if name.startswith("filtered"):
            met = float(np.median(times)) < WANTED_S
            load = os.getloadavg()[0]
            why = f"{min(times):.2f} to {max(times):.2f} s over {len(SEEDS)} seeds; load of the machine {load:.1f}"
            page.bars.append(Bar(name, f"< {WANTED_S:g} s on one core", f"{np.median(times):.2f} s", met, why))
    page.text(METHOD)
    page.table(
        (
            "way",
            "seconds of the thread, median (range)",
            "by the clock",
            "95 % VaR of a year, percent",
            "95 % CVaR, percent",
        ),
        rows,
    )
    page.text(MEANING)
    return page


METHOD = f"""
{PATHS:,} paths of {DAYS} days of {ASSETS} assets: {PATHS * DAYS * ASSETS / 1e6:.0f} million asset-days, in blocks of
{BLOCK:,} paths, single precision, one thread pinned to one core. Residual rows are Student-t with one common factor. Of
every path its end and its deepest drawdown are kept. VaR and CVaR are the mean over the seeds ± their spread.
"""
MEANING = """
The projected way draws whole days as the first does and gives the same answer one day ahead, and on all days while
variances stand still; with reacting variances it gives the portfolio one variance where the first gives each asset its
own, so that later days differ a little, as the two lines show. The normal ways are one distribution, exactly: weights
are constant, so a portfolio of normal returns is normal with variance w'Cw, and drawing the assets is waste. They are
here as the usual way to write it. What bounds the normal way with every asset is the generator: its numbers alone take
the time of the last line. Filtered historical simulation draws one integer a day instead of 20 normals; its time goes
into looking rows up and into the recursion of 20 variances, both bounded by memory within a core's cache.
"""


def market() -> tuple[Array, Array, Array]:
    """Return residual rows, volatilities and weights."""
    rng = np.random.default_rng(1)
    rows = 0.6 * rng.standard_t(6, (POOL, 1)) + 0.8 * rng.standard_t(6, (POOL, ASSETS))
    rows = (rows - rows.mean(axis=0)) / rows.std(axis=0)
    weights = rng.dirichlet(np.full(ASSETS, 2.0))
    return rows.astype(np.float32), np.linspace(0.01, 0.025, ASSETS, dtype=np.float32), weights.astype(np.float32)


def kept(returns: Array) -> Array:
    """Return what is kept of a block: ends of the paths; drawdowns are taken too."""
    wealth = compound(returns)
    max_drawdown(wealth)
    ends: Array = wealth[-1] - 1
    return ends


def blocks(seed: int, one: Callable[[int], Array]) -> Array:
    """Run one block after the other."""
    return np.concatenate([one(1000 * seed + number) for number in range(PATHS // BLOCK)])


def assets(pool: Array, volatility: Array, weights: Array, seed: int) -> Array:
    """Every asset has its own variance."""
    each = np.ones(ASSETS, dtype=np.float32)
    dynamics = Dynamics(0.03 * each, 0.08 * each, 0.9 * each)

    def one(block: int) -> Array:
        draws = draw_days(POOL, DAYS, BLOCK, block, balanced=False)
        return kept(simulate_assets(pool, volatility, weights, draws, dynamics, LONG_RUN))  # type: ignore[arg-type]

    return blocks(seed, one)


def projected(shocks: Array, seed: int) -> Array:
    """The portfolio has one variance."""
    dynamics = Dynamics(0.03, 0.08, 0.9)

    def one(block: int) -> Array:
        draws = draw_days(POOL, DAYS, BLOCK, block, balanced=False)
        return kept(simulate_projected(shocks, draws, dynamics, LONG_RUN))  # type: ignore[arg-type]

    return blocks(seed, one)


def normal_assets(pool: Array, volatility: Array, weights: Array, seed: int) -> Array:
    """Correlated normals for every asset, constant variance."""
    factor = np.linalg.cholesky(np.cov(pool * volatility, rowvar=False)).astype(np.float32)

    def one(block: int) -> Array:
        rng = np.random.default_rng(block)
        days = [(rng.standard_normal((BLOCK, ASSETS), dtype=np.float32) @ factor.T) @ weights for _ in range(DAYS)]
        return kept(np.stack(days))

    return blocks(seed, one)


def normal_projected(pool: Array, volatility: Array, weights: Array, seed: int) -> Array:
    """One normal a day."""
    spread = np.float32(np.sqrt(weights @ np.cov(pool * volatility, rowvar=False) @ weights))

    def one(block: int) -> Array:
        return kept(spread * np.random.default_rng(block).standard_normal((DAYS, BLOCK), dtype=np.float32))

    return blocks(seed, one)


def only_normals(seed: int) -> Array:
    """Nothing but random numbers."""
    rng = np.random.default_rng(seed)
    room = np.empty((BLOCK, ASSETS), dtype=np.float32)
    for _ in range(DAYS * PATHS // BLOCK):
        rng.standard_normal(out=room, dtype=np.float32)
    return np.zeros(0, dtype=np.float32)


def _row(name: str, times: list[float], clocks: list[float], tails: list[Array]) -> tuple[str, ...]:
    told = [name, f"{np.median(times):.2f} ({min(times):.2f} to {max(times):.2f})", f"{np.median(clocks):.2f}"]
    for figure in (value_at_risk, expected_shortfall):
        if not len(tails[0]):
            told.append("–")
            continue
        values = 100 * np.array([figure(ends, 0.05).value for ends in tails])
        told.append(f"{values.mean():.2f} ± {values.std(ddof=1):.2f}")
    return tuple(told)


if __name__ == "__main__":
    main()
