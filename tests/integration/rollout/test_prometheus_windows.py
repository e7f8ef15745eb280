"""Windows from a real Prometheus over scrapes of real data planes, and what the judge makes of them."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import numpy as np
import pytest
from prometheus_client import CollectorRegistry, generate_latest

from components.catalog import get_spec
from components.errors import ConfigurationError, ModelUnavailable
from components.models.spec import ModelSpec
from components.rollout.judge import Judgement, judge
from components.rollout.metrics import WindowMetrics
from components.rollout.plan import RolloutPlan, cluster_plan_for, plan_for
from components.rollout.targets.prometheus import Prometheus
from inference.dataplane import DataPlane
from inference.metrics import ServerMetrics
from inference.served_model import ServedModel, load_served
from inference.v2 import encode_request
from tests.support.plane_call import KeptCall
from tests.support.prometheus import Recording, needs_prometheus, prometheus
from tests.support.tiny import make_tiny_artifact, test_rooms, tiny_rows

pytestmark = needs_prometheus

EVERY = 15.0
STEP = 600.0
BEGAN = {
    name: 1_760_000_000.0 + 3600.0 * i
    for i, name in enumerate(
        ["good", "errors", "slow", "shifted", "few", "blink", "restart", "scaled", "twice", "aside", "beyond"]
    )
}
BIAS = {"1": 0.0, "2": 1e-5, "3": 0.5, "4": 5.0, "5": 5.0}
BODIES = [encode_request({k: v[i : i + 1] for k, v in tiny_rows(40, seed=3).items()})[0] for i in range(40)]


class Pod:
    """A data plane that answers real requests, and is scraped."""

    def __init__(self, served: ServedModel, name: str) -> None:
        self.served, self.name = served, name
        self.restart()

    def restart(self) -> None:
        """Begin again with counters at 0, as a container does that was killed."""
        self.plane = DataPlane(ServerMetrics())
        self.plane.serve(self.served)
        self._registry = CollectorRegistry()
        self._registry.register(self.plane.metrics)

    def answer(self, requests: int, late_s: float = 0.0, ce_id: str = "", forced: bool = False) -> None:
        """Answer requests that came ``late_s`` ago."""
        calls = [KeptCall("tiny", BODIES[i % 40], ce_id=ce_id, forced=forced) for i in range(requests)]
        for call in calls:
            call.started -= late_s

        async def run() -> None:
            self.plane._loop = None
            for call in calls:
                self.plane.submit(call)
            await self.plane.drained(20.0)

        asyncio.run(run())

    def fail(self, requests: int) -> None:
        """Refuse requests with 503."""
        self.plane.unload("tiny")
        self.answer(requests)
        self.plane.serve(self.served)

    def scraped(self, recording: Recording, at: float, job: str = "predictor") -> None:
        text = generate_latest(self._registry).decode()
        recording.scrape(at, text, job=job, namespace="arthaflow", pod=self.name, instance=f"{self.name}:8080")


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, ServedModel]]:
    folder = tmp_path_factory.mktemp("tiny")
    with test_rooms():
        yield {
            v: load_served(make_tiny_artifact(folder / v, bias=bias).directory, "tiny", v) for v, bias in BIAS.items()
        }


@pytest.fixture(scope="module")
def source(models: dict[str, ServedModel], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    recording = Recording()
    for name, began in BEGAN.items():
        record(name, began, models, recording)
    data = tmp_path_factory.mktemp("prometheus") / "data"
    recording.write_blocks(data)
    with prometheus(data) as url:
        yield Prometheus(url)


def record(name: str, began: float, models: dict[str, ServedModel], recording: Recording) -> None:
    """Play one step of a rollout: ten requests per scrape to the stable version, and a scenario's to the canary."""
    track = {"shifted": "3", "beyond": "5"}.get(name, "2")
    stable, canary = Pod(models["4" if name == "beyond" else "1"], f"{name}-s"), Pod(models[track], f"{name}-c")
    second = Pod(models[track], f"{name}-c2")
    stable.answer(50)
    canary.answer(7, late_s=9.0)  # before the step: must not count
    for i, at in enumerate(np.arange(began - 10.0, began + STEP + 30.0, EVERY)):
        stable.scraped(recording, at)
        if name != "blink" or i == 20:
            canary.scraped(recording, at)
        if name == "twice":
            canary.scraped(recording, at + 1.0, job="also")
        if name == "scaled" and 10 <= i <= 30:
            second.scraped(recording, at)
            second.answer(4)
        if name == "restart" and i == 20:
            canary.restart()
        stable.answer(10)
        canary.answer(1 if name == "few" and i < 30 else 0 if name == "few" else 5, 0.6 if name == "slow" else 0.0)
        if name == "errors":
            canary.fail(1)
        if name == "aside":
            canary.answer(3, late_s=2.0, ce_id="explain-1")
            canary.answer(3, late_s=2.0, forced=True)


@pytest.fixture(scope="module")
def tiny() -> Iterator[ModelSpec]:
    with test_rooms():
        yield get_spec("tiny")


def windows(source: Prometheus, name: str, canary: str = "2") -> tuple[WindowMetrics, WindowMetrics]:
    since, stable = BEGAN[name], "4" if name == "beyond" else "1"
    return tuple(source.window("tiny", version, since, since + STEP) for version in (stable, canary))  # type: ignore[return-value]


def plan(tiny: ModelSpec) -> RolloutPlan:
    return cluster_plan_for(tiny, soak_s=60.0, interval_s=60.0, max_wait_s=STEP)


def judged(source: Prometheus, tiny: ModelSpec, name: str, canary: str = "2") -> Judgement:
    return judge(*windows(source, name, canary), plan(tiny).limits)


def test_counts_are_what_was_seen_between_the_scrapes_of_the_window(source: Prometheus) -> None:
    stable, canary = windows(source, "good")
    # Scrapes inside: at 5, 20, ... 590 s, so 39 intervals. No extrapolation, no fractions, nothing of before the step.
    assert (stable.requests, canary.requests) == (390, 195)
    assert (len(stable.predictions), len(canary.predictions), len(canary.latencies_ms)) == (390, 195, 195)
    assert (canary.errors, canary.rejected, canary.outside) == (0, 0, 0.0)
    assert canary.latency(1.0) < 1000.0


def test_predictions_are_the_models_own_within_half_a_step(
    source: Prometheus, models: dict[str, ServedModel], tiny: ModelSpec
) -> None:
    rows = tiny_rows(40, seed=3)
    close = models["1"].artifact.input_schema["features"].column_names.index("close")
    exact = models["1"].model.predict(rows)["price"][:10, 0] / rows["features"][:10, close]
    seen, _ = windows(source, "good")
    assert len(seen.predictions) == 39 * len(exact)
    off = np.abs(np.sort(np.repeat(exact, 39)) - np.array(seen.predictions))
    assert off.max() <= tiny.rollout.resolution / 2 + 1e-9


def test_a_good_canary_succeeds(source: Prometheus, tiny: ModelSpec) -> None:
    found = judged(source, tiny, "good")
    assert found.outcome == "success", found.reason


@pytest.mark.parametrize(
    ("name", "canary", "check", "said"),
    [
        ("errors", "2", "error_rate", "39 of 234 requests failed"),
        ("slow", "2", "p95_ms", "p95 latency is 1000.0 ms (limit 200 ms"),
        ("shifted", "3", "predictions", "of the predictions moved by more than 0.0065625 against version 1"),
    ],
)
def test_a_bad_canary_fails(source: Prometheus, tiny: ModelSpec, name: str, canary: str, check: str, said: str) -> None:
    found = judged(source, tiny, name, canary)
    assert found.outcome == "failure", found.reason
    assert [c.name for c in found.checks if c.outcome == "failure"] == [check]
    assert said in found.reason


def test_too_few_requests_are_inconclusive(source: Prometheus, tiny: ModelSpec) -> None:
    found = judged(source, tiny, "few")
    assert found.outcome == "inconclusive"
    assert "requests needed for the error rate have come" in found.reason


def test_fewer_than_two_scrapes_are_no_window(source: Prometheus, tiny: ModelSpec) -> None:
    _, canary = windows(source, "blink")
    assert canary == WindowMetrics("2")
    assert judged(source, tiny, "blink").outcome == "inconclusive"
    began = BEGAN["good"]
    assert source.window("tiny", "2", began, began + 10.0) == WindowMetrics("2")
    assert source.window("tiny", "2", began, began) == WindowMetrics("2")


def test_a_restart_counts_on_from_zero(source: Prometheus, tiny: ModelSpec) -> None:
    _, canary = windows(source, "restart")
    assert canary.requests == 195
    assert len(canary.predictions) == 195
    assert judged(source, tiny, "restart").outcome == "success"


def test_a_pod_that_comes_and_goes_adds_what_was_seen_of_it(source: Prometheus) -> None:
    _, canary = windows(source, "scaled")
    assert canary.requests == 195 + 4 * 20


def test_a_pod_that_two_jobs_scrape_counts_once(source: Prometheus) -> None:
    assert windows(source, "twice")[1].requests == 195


def test_forced_and_explainers_requests_are_left_out(source: Prometheus, tiny: ModelSpec) -> None:
    _, canary = windows(source, "aside")
    assert (canary.requests, len(canary.predictions)) == (195, 195)
    assert canary.latency(1.0) < 1000.0
    assert judged(source, tiny, "aside").outcome == "success"


def test_predictions_beyond_the_grid_are_no_success(source: Prometheus, tiny: ModelSpec) -> None:
    found = judged(source, tiny, "beyond", "5")
    assert found.outcome == "inconclusive"
    assert "100% lie beyond the spec's rollout.bounds, where moves cannot be seen" in found.reason


def test_an_unknown_version_has_no_window_and_a_warning(source: Prometheus, caplog: pytest.LogCaptureFixture) -> None:
    assert source.window("tiny", 'x"}', 0.0, 60.0) == WindowMetrics('x"}')
    assert "has no series of tiny" in caplog.text


def test_a_refused_query_carries_the_servers_words(source: Prometheus) -> None:
    with pytest.raises(ModelUnavailable, match=r"refuses a query \(400"):
        source._query("sum(", 0.0)


def test_a_prometheus_that_is_gone_is_named() -> None:
    with pytest.raises(ModelUnavailable, match=r"Prometheus does not answer at http://127\.0\.0\.1:9"):
        Prometheus("http://127.0.0.1:9").window("m", "1", 0.0, 1.0)


def test_the_plan_on_a_cluster_widens_the_tolerance_by_one_step(tiny: ModelSpec) -> None:
    limits = plan(tiny).limits
    assert limits.resolution == pytest.approx(0.2 / 128)
    assert limits.tolerance == pytest.approx(0.005 + 0.2 / 128)
    assert RolloutPlan.from_dict(plan(tiny).to_dict()) == plan(tiny)
    assert plan_for(tiny).limits.resolution == 0.0


def test_a_limit_without_bounds_is_refused_before_the_rollout_starts() -> None:
    with test_rooms():
        mixed = get_spec("mixed")
    with pytest.raises(ConfigurationError, match=r"declares no RolloutSpec\.bounds"):
        cluster_plan_for(mixed)
