"""Time the money models as applications ask them: through the product API, one worker, every request a new question.

    python benchmarks/money_serving.py --data ../shared/data            # writes docs/results/serving.md

Each model is trained by its graph; those that take securities are fitted on one split of the US panel, so that 50 can
be asked (it is too short for the graph's folds). Each is served by its predictor behind router and gateway, as
``arthaflow serve`` does. A request differs from every other, so that no cache answers. Beside the whole way stand its
parts, measured one by one: the predictor over V2, the model's own call in this process, and what the product's shapes
cost.
"""

from __future__ import annotations

import argparse
import cProfile
import pstats
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path[0] = str(ROOT)  # as a script, sys.path starts with this folder

import httpx  # noqa: E402
import numpy as np  # noqa: E402
import pandas as pd  # noqa: E402

from benchmarks.money.page import Bar, Page  # noqa: E402
from components.catalog import get_product, get_spec  # noqa: E402
from components.data.dataset import Dataset  # noqa: E402
from components.data.panel import build_panel  # noqa: E402
from components.data.sources import load_bars  # noqa: E402
from components.models.product import Served  # noqa: E402
from components.models.spec import ModelSpec  # noqa: E402
from components.registry.artifact import read_artifact, write_artifact  # noqa: E402
from inference.gateway.identity.local_issuer import LocalIssuer  # noqa: E402
from inference.local import LocalServing  # noqa: E402
from inference.v2 import Client  # noqa: E402
from pipelines.local import run_training  # noqa: E402
from pipelines.stack import Stack  # noqa: E402

PANEL = "market/us_sp500_daily_2015_2020.parquet"
ASKED = 200
"""Requests per figure."""


@dataclass(frozen=True)
class Case:
    """One objective of the issue.

    Attributes
    ----------
    model, what : str
        Name in the catalogue, and the question in words.
    limit_ms : float
        95th percentile that it must stay below.
    body : callable
        Number of the request and the names of the securities to a JSON body.
    panel : bool
        Whether it is trained on the US panel instead of what is embedded.
    """

    model: str
    what: str
    limit_ms: float
    body: Callable[[int, list[str]], dict[str, Any]]
    panel: bool = False


def _example(model: str) -> dict[str, Any]:
    product = get_product(model)
    assert product is not None
    extra: Any = product.request.model_config["json_schema_extra"]
    return dict(extra["examples"][0])


def _health(i: int, names: list[str]) -> dict[str, Any]:
    body = _example("portfolio_health")
    metrics = dict(body["portfolio_metrics"])
    return {**body, "portfolio_metrics": {**metrics, "total_value": metrics["total_value"] + i}}


def _goal(i: int, names: list[str]) -> dict[str, Any]:
    body = _example("goal_achievement")
    return {**body, "goal": {**body["goal"], "current_amount": body["goal"]["current_amount"] + i}}


def _holdings(i: int, names: list[str], count: int) -> list[dict[str, Any]]:
    weight = np.random.default_rng(i).dirichlet(np.full(count, 5.0))
    return [
        {"security_id": name, "quantity": 10.0, "current_value": float(1e6 * w), "weight": float(w)}
        for name, w in zip(names[:count], weight, strict=True)
    ]


def _risk(i: int, names: list[str]) -> dict[str, Any]:
    return {**_example("risk_assessment"), "portfolio": {"holdings": _holdings(i, names, 30)}}


def _optimise(i: int, names: list[str]) -> dict[str, Any]:
    body = _example("portfolio_optimizer")
    kept = {k: v for k, v in body.items() if k not in ("constraints", "views")}
    return {**kept, "portfolio": {"holdings": _holdings(i, names, 50)}}


CASES = (
    Case("portfolio_health", "one portfolio, counterfactuals included", 20, _health),
    Case("risk_assessment", "30 holdings, scenarios and stress tests included", 150, _risk, panel=True),
    Case("goal_achievement", "one goal, adjustments and milestones solved", 100, _goal),
    Case("portfolio_optimizer", "50 securities, minimum variance, frontier and trades included", 300, _optimise, True),
)


def main() -> None:
    """Train, serve, ask, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder of the acceptance data")
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "results" / "serving.md")
    parser.add_argument("--only", nargs="*", choices=[c.model for c in CASES], default=[c.model for c in CASES])
    asked = parser.parse_args()
    page = Page("serving", "Serving the money models", files=[asked.data / PANEL], seeds=[0])
    with TemporaryDirectory() as home:
        for case in CASES:
            if case.model in asked.only:
                _measure(case, asked.data / PANEL, Path(home), page)
    page.text(
        "One client, one request at a time, on an idle machine. *Gateway* is the whole way of an application; "
        "*V2* asks the predictor itself with the same tensors; *predict* is the model's own call in this process. The "
        "rest of the way is the product's shapes, HTTP twice, the router, the checks and the prediction log."
    )
    asked.out.write_text(page.markdown(), encoding="utf-8")
    for bar in page.bars:
        print(f"{bar.what}: {bar.got} ({bar.wanted})")


def _measure(case: Case, panel: Path, home: Path, page: Page) -> None:
    spec, product = get_spec(case.model), get_product(case.model)
    assert product is not None
    bars = load_bars(str(panel), without_volume="zero") if case.panel else None
    names = sorted(build_panel(bars).names) if bars is not None else []
    place = run_training(case.model, {}, home).artifact if bars is None else _fitted(spec, bars, home / case.model)
    artifact = read_artifact(place)
    model = artifact.load_model(spec)
    now = datetime.now(UTC)
    requests = [product.request.model_validate(case.body(i, names)) for i in range(ASKED)]
    shaped = [_with_optional(artifact, product.to_inputs(request, now)) for request in requests]
    answers = [model.predict(inputs) for inputs in shaped[:5]]
    columns = {t.name: t.column_names for t in artifact.output_schema.tensors}
    served = Served(answers[0], {}, columns, "1", now.isoformat(), spec.disclaimers)
    shapes = _times(lambda i: product.to_response(requests[0], served) and product.to_inputs(requests[i], now))
    own = _times(lambda i: model.predict(shaped[i]))
    profile = _profile(lambda: [model.predict(inputs) for inputs in shaped[:50]])
    serving = LocalServing(home)
    stack = Stack(serving, spec)
    try:
        stack.start("1", place, only=())
        gateway = stack.open(0)
        v2 = serving.find("predictor", case.model, "1")
        with Client(v2.url, case.model) as client:
            direct = _times(lambda i: client.infer(dict(product.to_inputs(requests[i], now)), binary=True))
        token = LocalIssuer(home).token("benchmark", "app", "premium")
        bodies = [case.body(i + ASKED, names) for i in range(ASKED)]
        headers = {"authorization": f"Bearer {token}"}
        with httpx.Client(base_url=gateway.url, headers=headers, timeout=60, trust_env=False) as http:
            path = product.routes[0].path

            def ask(i: int) -> None:
                answer = http.post(path, json=bodies[i])
                assert answer.status_code == 200, answer.text

            whole = _times(ask)
    finally:
        serving.stop_all()
    p95 = float(np.percentile(whole, 95))
    got = f"p50 {np.percentile(whole, 50):.1f} ms, p95 {p95:.1f} ms"
    page.bars.append(Bar(f"`{case.model}`: {case.what}", f"p95 < {case.limit_ms:g} ms", got, p95 < case.limit_ms))
    page.text(f"## {spec.title}")
    rows = [("gateway", whole), ("V2, binary tensors", direct), ("predict", own), ("shapes of the product", shapes)]
    page.table(
        ("part", "p50 ms", "p95 ms", "p99 ms"),
        [(name, *(f"{np.percentile(times, q):.2f}" for q in (50, 95, 99))) for name, times in rows],
    )
    page.text("Where the model's own call spends it (own time, 50 calls, under the profiler):")
    page.table(("function", "share", "calls"), profile)


def _fitted(spec: ModelSpec, bars: pd.DataFrame, place: Path) -> Path:
    """Fit on one split of a panel, which is too short for the graph's walk-forward folds, and write the artifact."""
    data: Dataset = spec.resolve(spec.dataset)(bars[["entity", "timestamp"]], bars, spec.horizons)
    train = np.flatnonzero(data.label_times < np.quantile(data.times.astype("int64"), 0.7).astype("datetime64[ns]"))
    held = np.flatnonzero(data.times > data.label_times[train].max())
    model = spec.load_model_class()().fit(data.take(train), data.take(held))
    golden = data.take(held[:2]).inputs
    return write_artifact(place, spec, model, golden, {"metrics": {}, "lineage": {}}).directory


def _with_optional(artifact: Any, inputs: Any) -> dict[str, Any]:
    rows = len(next(iter(inputs.values())))
    return {t.name: inputs[t.name] if t.name in inputs else t.absent(rows) for t in artifact.input_schema.tensors}


def _times(call: Callable[[int], Any]) -> list[float]:
    """Return the milliseconds of every call but for the first ten, which warm up."""
    taken = []
    for i in range(ASKED):
        began = time.perf_counter()
        call(i)
        taken.append((time.perf_counter() - began) * 1e3)
    return taken[10:]


def _profile(run: Callable[[], Any]) -> list[tuple[str, str, int]]:
    profiler = cProfile.Profile()
    profiler.runcall(run)
    found: Any = pstats.Stats(profiler)
    total = max(found.total_tt, 1e-9)
    top = sorted(found.stats.items(), key=lambda item: -item[1][2])[:6]
    return [
        (f"`{Path(file).name}:{name}`" if file != "~" else f"`{name}`", f"{own / total:.0%}", calls)
        for (file, _, name), (_, calls, own, _, _) in top
    ]


if __name__ == "__main__":
    main()
