"""Two versions with different columns behind the real router: names are those of the version that answered."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from inference.gateway.metrics import GatewayMetrics
from inference.gateway.product.columns import Columns, VersionGone
from inference.gateway.table import Entry
from inference.router.backend import Response
from tests.integration.inference.test_versions_behind_router import router
from tests.support.upstream_server import model_calls


@asynccontextmanager
async def version(name: str, columns: Sequence[str]) -> AsyncIterator[str]:
    """A server that tells its metadata, and nothing else."""
    told = {
        "name": "m",
        "versions": [name],
        "outputs": [{"name": "price", "parameters": {"columns": [{"name": c} for c in columns]}}],
    }
    body = json.dumps(told).encode()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while await reader.readline():
            while (await reader.readline()).strip():
                pass
            writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % len(body) + body)
            await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()


def answered(version: str, track: str = "") -> Response:
    headers = [(b"x-model-version", version.encode())]
    return Response(200, [*headers, (b"x-model-track", track.encode())] if track else headers, b"")


def test_a_canarys_columns_are_its_own(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with (
            version("1", ["1_day", "5_day"]) as one,
            version("2", ["5_day", "1_day"]) as two,
            router(tmp_path) as (table, url),
            model_calls(GatewayMetrics(), m=Entry(url=url)) as calls,
        ):
            stable = {"url": one, "version": "1", "weight": 100}
            table.replace({"stable": stable, "canary": {"url": two, "version": "2", "weight": 0}})
            for track in ("canary", ""):
                columns = Columns(calls)
                assert await columns.of("m", "2", answered("2", track), []) == {"price": ("5_day", "1_day")}
                assert await columns.of("m", "1", answered("1", "stable"), []) == {"price": ("1_day", "5_day")}
            with pytest.raises(VersionGone) as gone:
                await Columns(calls).of("m", "3", answered("3"), [])
            assert gone.value.status == 503
            table.replace({"stable": {"url": two, "version": "2", "weight": 100}})
            assert await Columns(calls).of("m", "2", answered("2", "stable"), []) == {"price": ("5_day", "1_day")}

    async def bounded() -> None:
        async with asyncio.timeout(60):
            await scenario()

    asyncio.run(bounded())


def test_without_a_router_the_servers_own_version_tells() -> None:
    async def scenario() -> None:
        async with (
            version("1", ["1_day"]) as url,
            model_calls(GatewayMetrics(), m=Entry(url=url)) as calls,
        ):
            assert await Columns(calls).of("m", "1", Response(200, [], b""), []) == {"price": ("1_day",)}
            with pytest.raises(VersionGone):
                await Columns(calls).of("m", "2", Response(200, [], b""), [])

    asyncio.run(scenario())
