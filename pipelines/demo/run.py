"""The phases of the demo, in order. Every number in its summary and report was measured in this run."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console

from components.catalog import get_spec
from components.data.dataset import Dataset
from components.errors import ArthaflowError
from components.models.spec import ModelSpec
from components.registry.versions import Version
from components.rollout.engine import RolloutResult
from inference.local import LocalServing
from inference.traffic import Traffic, TrafficSummary
from pipelines.asking import call, drift_verdict, explain_inputs
from pipelines.demo.audit import AuditTrail, check_trail
from pipelines.demo.traffic import Rows, recent_rows, rows_after_regime_change
from pipelines.drill import plant_bad_version
from pipelines.local import run_training
from pipelines.product import ProductClient
from pipelines.result import RunResult
from pipelines.rolling import roll_out
from pipelines.stack import Stack

MODEL = "price_forecast"
FIRST_UNTIL = "2016-12-30"
ENTITY, AT = "SP500", "2018-12-31T21:00:00Z"
ROUTE = "/api/ml/predictions/price"
RATE = 200.0
PLAN: Mapping[str, Any] = {"soak_s": 3.0, "interval_s": 1.5, "max_wait_s": 24.0}
QUESTIONS = (
    ("kernel_shap", {"relative_to": "close"}),
    ("kernel_shap", {"output": "volatility_forecast"}),
    ("anchor_tabular", {"output": "volatility_forecast"}),
    ("permutation_shap", {"output": "volatility_forecast"}),
)
"""What is asked of the explainer: why the price should change, and why the forecast is as uncertain as it is."""

DRIFT_TRAFFIC_S = 2.5
DRILL_CANDIDATES = ("linear", "regularised")


@contextmanager
def unlimited() -> Iterator[None]:
    """Let a gateway start without a rate limit: the demo's traffic is more than an hour's allowance of one caller."""
    name = "ARTHAFLOW_GATEWAY_PREMIUM_PER_HOUR"
    before = os.environ.get(name)
    os.environ[name] = "0"
    try:
        yield
    finally:
        del os.environ[name]
        if before is not None:
            os.environ[name] = before


class DemoFailed(ArthaflowError):
    """The demo did not go the way it must; the message says where."""


@dataclass
class DemoResult:
    """What the demo left behind, for its report and its summary."""

    spec: ModelSpec
    home: Path
    first: RunResult
    second: RunResult
    promoted: RolloutResult
    rolled_back: RolloutResult
    traffic: TrafficSummary
    trail: AuditTrail
    forecast: dict[str, Any]
    explanations: list[dict[str, Any]]
    drift_before: dict[str, Any]
    drift_after: dict[str, Any]
    before: Rows
    after: Rows
    ready_s: float
    urls: dict[str, str]
    timings: dict[str, float] = field(default_factory=dict)
    report: Path | None = None


class Demo:
    """Runs the phases and times them.

    Parameters
    ----------
    home : Path
        Emptied first; everything the demo leaves behind is below it.
    console : Console
        Where progress is shown.
    """

    def __init__(self, home: Path, console: Console) -> None:
        self.home = home
        self.console = console
        self.spec = get_spec(MODEL)
        self.serving = LocalServing(home)
        self.stack = Stack(self.serving, self.spec)
        self.product: ProductClient
        self.timings: dict[str, float] = {}

    def clear(self) -> None:
        """Stop what an earlier demo left running and empty its home."""
        self.serving.stop_all()
        shutil.rmtree(self.home, ignore_errors=True)
        self.home.mkdir(parents=True)

    @contextmanager
    def phase(self, title: str) -> Iterator[None]:
        """Announce and time one phase."""
        self.console.print(f"\n[bold cyan]{title}[/bold cyan]")
        began = time.perf_counter()
        yield
        self.timings[title] = round(time.perf_counter() - began, 1)

    def run(self) -> DemoResult:
        """Run every phase.

        Raises
        ------
        ArthaflowError
            If a phase fails, a version that should pass does not, the bad one is not stopped, or a request is lost.
        """
        with self.phase(f"Train version 1 on prices until {FIRST_UNTIL}"):
            first = self.train(FIRST_UNTIL)
        with self.phase("Serve version 1"):
            began = time.perf_counter()
            self.stack.begin("1", first.artifact, only=("transformer",))
            ready = time.perf_counter() - began
            with unlimited():
                gateway = self.stack.open(port=0)
            self.product = ProductClient(gateway.url, self.home)
        with self.phase("Train version 2 on all prices"):
            second = self.train("")
        data = Dataset.read(second.artifacts["split/dataset"])
        before = recent_rows(data)
        with self.phase("Ask version 1 by entity and time"):
            self.stack.wait()
            self.predict()
        traffic = Traffic(self.product.url, MODEL, before, rate=RATE, headers=self.product.headers)
        with traffic, ThreadPoolExecutor(1) as aside:
            bad = aside.submit(self.plant, second)
            with self.phase("Roll version 2 out under live traffic"):
                promoted = self.expect("promoted", self.roll_out(str(second.version)))
            self.stack.surround(second.artifact)
            with self.phase("Roll a deliberately bad version 3 out"):
                rolled_back = self.expect("rolled_back", self.roll_out(bad.result().version))
            forecast = self.predict()
        summary = traffic.stop()
        self.console.print(f"{summary.sent} requests of live traffic, {summary.failed} failed.")
        if summary.failed:
            raise DemoFailed(f"{summary.failed} requests failed, first: {summary.failures[0].reason}.")
        with self.phase("Verify the audit trail"):
            trail = check_trail(self.home, MODEL, summary.sent)
            self.console.print(trail.sentence)
            for sentence in trail.served:
                self.console.print(f"  {sentence}")
        with self.phase("Watch drift, before and after a simulated regime change"):
            self.stack.wait()
            after = rows_after_regime_change(_bars(second))
            drift = [self.drift(before), self.drift(after)]
        with self.phase("Explain the forecast"):
            explanations = self.explain()
        urls = {e.kind: e.url for e in self.serving.running() if e.url}
        return DemoResult(
            spec=self.spec,
            home=self.home,
            first=first,
            second=second,
            promoted=promoted,
            rolled_back=rolled_back,
            traffic=summary,
            trail=trail,
            forecast=forecast,
            explanations=explanations,
            drift_before=drift[0],
            drift_after=drift[1],
            before=before,
            after=after,
            ready_s=ready,
            urls=urls,
            timings=self.timings,
        )

    def train(self, until: str) -> RunResult:
        """Run the training graph and insist on its promotion."""
        result = run_training(MODEL, {"until": until}, self.home, self.console)
        self.console.print(result.reason)
        if result.version is None:
            raise DemoFailed(f"The gate refused the version: {result.reason}", f"See {result.report}.")
        return result

    def plant(self, run: RunResult) -> Version:
        """Train the bad version on the second run's rows."""
        data, folds = run.artifacts["split/dataset"], run.artifacts["split/folds"]
        return plant_bad_version(self.spec, data, folds, DRILL_CANDIDATES, key="drill")

    def roll_out(self, version: str) -> RolloutResult:
        """Roll a version out, saying what happens."""
        from pipelines.cli.rollout import describe

        return roll_out(self.stack, version, tell=lambda event: self.console.print("  " + describe(event)), **PLAN)

    def expect(self, outcome: str, result: RolloutResult) -> RolloutResult:
        """Insist on how a rollout ends."""
        if result.outcome != outcome:
            raise DemoFailed(f"Version {result.version} should be {outcome}, but was {result.outcome}: {result.reason}")
        return result

    def predict(self) -> dict[str, Any]:
        """Ask the product API for the forecast of one security, as an application does, and show it."""
        from pipelines.cli.predict import show

        told = self.product.post(ROUTE, {"security_id": ENTITY, "as_of": AT})
        answer = {**told["data"], "disclaimers": told["metadata"]["disclaimers"]}
        show(answer)
        return answer

    def explain(self) -> list[dict[str, Any]]:
        """Explain the same forecast with every method that runs here."""
        from pipelines.cli.explain import show
        from pipelines.lookup import entity_inputs

        inputs = entity_inputs(self.serving, self.spec, ENTITY, AT)
        instance = {name: values[0] for name, values in inputs.items()}
        answers = []
        for kind, asked in QUESTIONS:
            try:
                answers.append(explain_inputs(self.serving, self.spec, instance, kind=kind, **asked))
            except ArthaflowError as error:
                self.console.print(f"[dim]{kind} is not shown: {error.problem}[/dim]")
                continue
            show(answers[-1], most=4)
        return answers

    def drift(self, rows: Rows) -> dict[str, Any]:
        """Send rows as traffic and return what the detector makes of them alone."""
        detector = self.serving.find("detector", MODEL)
        self.settle()
        call("POST", f"{detector.url}/v1/drift/reset")
        with Traffic(self.stack.target.router.url, MODEL, rows, rate=RATE, in_order=True) as traffic:
            time.sleep(DRIFT_TRAFFIC_S)
        if traffic.summary().failed:
            raise DemoFailed(f"A request of the drift traffic failed: {traffic.summary().failures[0].reason}.")
        self.settle()
        verdict = drift_verdict(self.serving, self.spec)
        self.console.print(verdict["sentence"])
        return verdict

    def settle(self, longest_s: float = 60.0) -> None:
        """Wait until the forwarder has delivered everything that the payload log holds."""
        from inference.event_forwarder import backlog

        log = Path(self.serving.find("predictor", MODEL, self.stack.target.stable_version).payload_log)
        sink = self.serving.find("detector", MODEL).url
        deadline = time.monotonic() + longest_s
        while backlog(log, sink, MODEL) and time.monotonic() < deadline:
            time.sleep(0.1)


def _bars(run: RunResult) -> Any:
    import pandas as pd

    return pd.read_parquet(run.bars)


def run_demo(home: Path, console: Console, keep: bool = False) -> DemoResult:
    """Run the whole demo and write its report.

    Parameters
    ----------
    home : Path
        Emptied first.
    console : Console
        Where progress and the summary are shown.
    keep : bool
        Leave the servers running.
    """
    from pipelines.demo.report import write_report

    demo = Demo(home, console)
    demo.clear()
    finished = False
    try:
        result = demo.run()
        with demo.phase("Write the report"):
            result.report = write_report(result)
        if keep:
            demo.stack.guard()
        finished = True
        return result
    finally:
        if not (keep and finished):
            demo.serving.stop_all()
