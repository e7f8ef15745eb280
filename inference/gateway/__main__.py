"""``python -m inference.gateway``: run the gateway."""

from __future__ import annotations

from collections.abc import Sequence

from inference.arguments import run
from inference.gateway.options import parse
from inference.gateway.server import GatewayServer
from inference.telemetry import tracing


def main(argv: Sequence[str]) -> None:
    """Serve until a signal comes."""
    options = parse(argv)
    tracing.setup("arthaflow-gateway")
    GatewayServer(options).run()


if __name__ == "__main__":
    run(main, "gateway")
