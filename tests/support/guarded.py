"""A small real application behind the door keeper, over HTTP: what attacks on the identity are tried against."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import httpx
import orjson
import uvicorn

from components.errors import ArthaflowError
from inference.gateway.config import GatewaySettings
from inference.gateway.envelope import error_body
from inference.gateway.identity.door_keeper import DoorKeeper


@dataclass
class Guarded:
    """The running application.

    Attributes
    ----------
    keeper : DoorKeeper
    port : int
    client : httpx.Client
    """

    keeper: DoorKeeper
    port: int
    client: httpx.Client

    def ask(self, token: str | None = None, path: str = "/api/ml/x", **options: Any) -> httpx.Response:
        """POST, with a token."""
        headers = {"Authorization": f"Bearer {token}"} if token is not None else {}
        return self.client.post(path, headers={**headers, **options.pop("headers", {})}, **options)

    def raw(self, request: bytes) -> bytes:
        """Send bytes as they are; return the answer's first bytes."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=10) as connection:
            connection.sendall(request)
            return connection.recv(4096)


class _App:
    """Admits, and says as whom."""

    def __init__(self, keeper: DoorKeeper) -> None:
        self.keeper = keeper

    async def __call__(self, scope: Mapping[str, Any], receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            await self._lifespan(receive, send)
            return
        body, more = b"", True
        while more:
            message = await receive()
            body, more = body + message.get("body", b""), message.get("more_body", False)
        headers: list[tuple[bytes, bytes]] = []
        try:
            caller = await self.keeper.admit(scope)
            if self.keeper.needs_body(scope) and caller.tier == "internal":
                self.keeper.check_body(scope, body)
            status = 200
            told = orjson.dumps(asdict(caller) | {"scopes": sorted(caller.scopes)})
        except ArthaflowError as error:
            status, headers = error.status, getattr(error, "headers", [])
            told, _ = error_body(error, scope["path"], b"")
        headers = [*headers, (b"content-length", b"%d" % len(told))]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": told})

    async def _lifespan(self, receive: Any, send: Any) -> None:
        await receive()
        await self.keeper.start()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await self.keeper.close()
        await send({"type": "lifespan.shutdown.complete"})


@contextmanager
def guarded(config: GatewaySettings, home: Path, redis_url: str = "", http: str = "httptools") -> Iterator[Guarded]:
    """Run it on a free port of this machine."""
    keeper = DoorKeeper(config, home, redis_url)
    listening = socket.create_server(("127.0.0.1", 0))
    port = listening.getsockname()[1]
    server = uvicorn.Server(
        uvicorn.Config(_App(keeper), lifespan="on", log_level="warning", http=http, ws="none", proxy_headers=False)
    )
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
    thread.start()
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False, timeout=20) as client:
            client.get("/healthz")
            yield Guarded(keeper, port, client)
    finally:
        server.should_exit = True
        thread.join(20)
        listening.close()
    assert not thread.is_alive()
