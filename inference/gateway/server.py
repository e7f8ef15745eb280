"""The gateway's process: its port, its signals, and how it ends.

On SIGTERM readiness turns false at once and every answer asks its client to close the connection; new requests are
still answered for ``drain_s`` seconds, which proxies need to notice; then nothing new is accepted, and requests under
way are finished.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import signal
import socket
from collections.abc import Iterator

import uvicorn
import uvloop

from inference.closing_door import ignore_new_connections
from inference.gateway.assembly import assemble
from inference.gateway.background import lasting
from inference.gateway.connections import BoundedConnection
from inference.gateway.options import Options
from inference.ports import bind

LOG = logging.getLogger("arthaflow.gateway")
BACKLOG_S = 0.5
"""Long enough to accept the connections that the kernel had completed, and for their requests to come: a connection
without one is closed at the end, and a client that was about to write could not know whether it was served."""
ACCEPTS = 128
"""Connections that are accepted per turn of the event loop. libuv accepts one per listening handle, and under load a
turn answers a hundred requests: the last of a thousand clients would wait half a minute to be let in."""


class _Uvicorn(uvicorn.Server):
    """uvicorn without its signal handlers: the gateway decides when to stop."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


class GatewayServer:
    """One gateway process.

    Parameters
    ----------
    options : Options
        What it was told.

    Raises
    ------
    ConfigurationError, PortInUse
        If it cannot start; nothing listens then.
    """

    def __init__(self, options: Options) -> None:
        self.options = options
        self.gateway = assemble(options)
        self._socket = _listen(options.host, options.port)
        self._server = _Uvicorn(
            uvicorn.Config(
                self.gateway.door,
                access_log=False,
                log_level="warning",
                log_config=None,
                lifespan="off",
                ws="none",
                http=BoundedConnection,
                proxy_headers=False,  # trusted_proxies says whom X-Forwarded-For is believed
                reset_contextvars=True,  # a pipelined request would begin within the one before it, and its deadline
                server_header=False,
                timeout_keep_alive=options.keep_alive_s,
                timeout_graceful_shutdown=int(options.grace_s),
            )
        )

    def run(self) -> None:
        """Serve until SIGTERM or SIGINT."""
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(self._serve())

    async def _serve(self) -> None:
        loop, stopping = asyncio.get_running_loop(), asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stopping.set)
        await self.gateway.start()
        gc.collect()
        gc.freeze()  # what is there now stays: looking through it again and again would take a tenth of the time
        host, port = self._socket.getsockname()[:2]
        models = ", ".join(sorted(self.gateway.shared.table.entries)) or "no model yet"
        LOG.warning("gateway listens on %s:%d for %s", host, port, models)
        handles = [self._socket, *(self._socket.dup() for _ in range(ACCEPTS - 1))]
        serving = asyncio.create_task(self._server.serve(sockets=handles))
        watching = lasting(self._watch(), "following the models file")
        signalled = asyncio.create_task(stopping.wait())
        try:
            await asyncio.wait({serving, signalled}, return_when=asyncio.FIRST_COMPLETED)
            if not serving.done():
                await self._drain()
            await serving
        finally:
            watching.cancel()
            signalled.cancel()
            await self.gateway.close()
            for number in (signal.SIGTERM, signal.SIGINT):
                loop.remove_signal_handler(number)
                signal.signal(number, signal.SIG_IGN)  # all is done: a second signal must not make it look killed

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(self.options.reload_s)
            self.gateway.refresh()

    async def _drain(self) -> None:
        LOG.warning("not ready any more; finishing what is under way")
        self.gateway.passage.draining = True
        await asyncio.sleep(self.options.drain_s)
        ignore_new_connections(self._socket)
        await asyncio.sleep(BACKLOG_S)
        self._server.should_exit = True


def _listen(host: str, port: int) -> socket.socket:
    held = bind(host, port)
    # Without it the second half of an answer waits for the client's delayed acknowledgement: 40 ms per request.
    held.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return held
