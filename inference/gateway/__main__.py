"""``python -m inference.gateway``: run the gateway."""

from __future__ import annotations

from collections.abc import Sequence

from inference.arguments import run
from inference.gateway.options import parse
from inference.gateway.server import GatewayServer


def main(argv: Sequence[str]) -> None:
    """Serve until a signal comes."""
    GatewayServer(parse(argv)).run()


if __name__ == "__main__":
    run(main, "gateway")
