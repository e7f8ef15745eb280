"""Which version's answers the cache gives out while the real router splits traffic, promotes and rolls back."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import orjson
import uvicorn

from inference.gateway.cache.canonical import canonical_key
from inference.gateway.cache.prediction_cache import Fetched, Fresh, PredictionCache
from inference.gateway.cache.versions import VersionWatch
from inference.gateway.calls.model_calls import ModelCalls
from inference.gateway.config import GatewaySettings
from inference.gateway.metrics import GatewayMetrics
from inference.gateway.table import Entry
from inference.ports import bind
from inference.router.app import Proxy
from inference.router.metrics import RouterMetrics
from inference.router.recorder import Recorder
from inference.router.table import RoutingTable
from tests.support.predictor import predictor
from tests.support.tiny import make_tiny_artifact
from tests.support.upstream_server import UpstreamServer, model_calls, upstream


@asynccontextmanager
async def router(folder: Path) -> AsyncIterator[tuple[RoutingTable, str]]:
    """The router on a port of its own, and its table."""
    table = RoutingTable(folder / "weights.json", seed=3)
    recorder = Recorder(folder / "requests.db", None)
    listening = bind("127.0.0.1", 0)
    server = uvicorn.Server(
        uvicorn.Config(Proxy("m", table, recorder, RouterMetrics()), lifespan="off", log_config=None)
    )
    serving = asyncio.create_task(server._serve([listening]))
    while not server.started:
        await asyncio.sleep(0.01)
    try:
        yield table, f"http://127.0.0.1:{listening.getsockname()[1]}"
    finally:
        server.should_exit = True
        await serving
        recorder.close()


def tracks(
    stable: UpstreamServer, canary: UpstreamServer | None = None, share: int = 0
) -> dict[str, dict[str, object]]:
    table: dict[str, dict[str, object]] = {
        "stable": {"url": stable.url, "version": stable.version, "weight": 100 - share}
    }
    if canary is not None:
        table["canary"] = {"url": canary.url, "version": canary.version, "weight": share}
    return table


async def ask(cache: PredictionCache, watch: VersionWatch, calls: ModelCalls, question: object) -> Fetched:
    """Ask as the prediction service does."""

    async def compute() -> Fresh:
        response = await calls.infer("m", [], b"{}")
        told = dict(response.headers)
        version = told[b"x-model-version"].decode()
        watch.note("m", version, told[b"x-model-track"].decode())
        return Fresh(response.body, version)

    return await cache.fetch("m", watch.current("m"), canonical_key(question), 3600, 0, compute)


def test_a_canary_fills_no_stable_answer_and_its_promotion_ends_the_old_ones(tmp_path: Path) -> None:
    async def scenario() -> None:
        metrics = GatewayMetrics()
        cache = PredictionCache(GatewaySettings(), "", metrics)
        async with upstream(version="1") as one, upstream(version="2") as two, router(tmp_path) as (table, url):
            table.replace(tracks(one))
            async with model_calls(metrics, m=Entry(url=url)) as calls:
                watch = VersionWatch(calls, cache, every_s=3600)
                await watch.start()
                assert (await ask(cache, watch, calls, "kept")).version == "1"
                table.replace(tracks(one, two, 50))
                answered = [await ask(cache, watch, calls, number) for number in range(60)]
                assert {found.version for found in answered} == {"1", "2"}
                assert (watch.current("m"), watch.current("m", "canary")) == ("1", "2")
                kept = await ask(cache, watch, calls, "kept")
                assert (kept.version, kept.cached) == ("1", True)
                table.replace(tracks(two))  # promotion
                await watch.poll()
                assert (watch.current("m"), watch.current("m", "canary")) == ("2", "")
                again = await ask(cache, watch, calls, "kept")
                assert (again.version, again.cached) == ("2", False)
                table.replace(tracks(one))  # rolled back: one answer says so
                assert (await ask(cache, watch, calls, "new")).version == "1"
                assert watch.current("m") == "1"
                assert not (await ask(cache, watch, calls, "kept")).cached
                await watch.close()
        assert b'arthaflow_gateway_cache_invalidations_total{model="m"} 2.0' in metrics.render({})

    asyncio.run(asyncio.wait_for(scenario(), 120))


def test_a_real_predictors_metadata_tells_its_version(tmp_path: Path) -> None:
    async def scenario(url: str) -> None:
        async with model_calls(tiny=Entry(url=url)) as calls:
            watch = VersionWatch(calls, PredictionCache(GatewaySettings(), "", GatewayMetrics()))
            await watch.poll()
            told = orjson.loads((await calls.get("tiny", "/v2/models/tiny")).body)
            assert [watch.current("tiny")] == told["versions"] == ["7"]

    artifact = make_tiny_artifact(tmp_path / "a").directory
    with predictor(artifact, "--model_version", "7") as running:
        asyncio.run(asyncio.wait_for(scenario(running.url), 120))
