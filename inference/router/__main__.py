"""``python -m inference.router``: run the router of one model."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import uvicorn
import uvloop

from components.errors import ArthaflowError
from inference.ports import bind
from inference.router.admin import Admin
from inference.router.app import Proxy
from inference.router.metrics import RouterMetrics
from inference.router.quantity import Quantity
from inference.router.recorder import Recorder
from inference.router.table import RoutingTable
from inference.telemetry import logs, tracing

KEEP_ALIVE_S = 75
"""Longer than clients keep idle connections, so that they never meet one that is just being closed."""


def arguments(argv: list[str] | None = None) -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(prog="python -m inference.router", description=__doc__)
    parser.add_argument("--model_name", required=True)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--http_port", type=int, required=True)
    parser.add_argument("--admin_port", type=int, required=True, help="bound to 127.0.0.1")
    parser.add_argument(
        "--folder", type=Path, default=Path(".arthaflow/rollouts"), help="routing table and request log"
    )
    parser.add_argument("--quantity", default="", help="JSON of the number that rollouts compare")
    parser.add_argument("--seed", type=int, default=None, help="of the random split")
    parser.add_argument("--timeout_s", type=float, default=30.0, help="longest answer of a backend")
    parser.add_argument("--patience_s", type=float, default=15.0, help="wait for a killed backend to come back")
    return parser.parse_args(argv)


async def serve(args: argparse.Namespace) -> None:
    """Serve until SIGTERM or SIGINT, then finish what is in flight."""
    sockets = [bind(args.host, args.http_port), bind("127.0.0.1", args.admin_port)]
    table = RoutingTable(args.folder / f"{args.model_name}.weights.json", args.seed)
    quantity = Quantity.from_json(args.quantity) if args.quantity else None
    recorder, metrics = Recorder(args.folder / f"{args.model_name}.requests.db", quantity), RouterMetrics()
    proxy = Proxy(args.model_name, table, recorder, metrics, timeout_s=args.timeout_s, patience_s=args.patience_s)
    servers = [_server(proxy), _server(Admin(table, recorder, metrics))]
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, _stop, servers)
    try:
        await asyncio.gather(*(s.serve(sockets=[sock]) for s, sock in zip(servers, sockets, strict=True)))
    finally:
        recorder.close()


class _Server(uvicorn.Server):
    """Two servers share the process, so neither handles its signals."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def _server(app: object) -> _Server:
    return _Server(
        uvicorn.Config(
            app,  # type: ignore[arg-type]
            access_log=False,
            log_level="warning",
            log_config=None,
            lifespan="off",
            timeout_keep_alive=KEEP_ALIVE_S,
            timeout_graceful_shutdown=10,
            http="httptools",
        )
    )


def _stop(servers: list[_Server]) -> None:
    for server in servers:
        server.should_exit = True


def main() -> int:
    """Run; return the exit status."""
    args = arguments()
    try:
        logs.configure("router")
        tracing.setup("arthaflow-router", model=args.model_name)
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(serve(args))
    except ArthaflowError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
