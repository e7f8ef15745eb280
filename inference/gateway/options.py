"""Command line of the gateway."""

from __future__ import annotations

import argparse
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Options:
    """What one gateway process was told.

    Attributes
    ----------
    models : Path
        The models file, see :mod:`inference.gateway.table`.
    host, port
        Where to listen.
    max_body : int
        Largest request body, bytes.
    max_held : int
        Bodies of all requests under way together, bytes; it bounds the process's memory.
    body_timeout_s : float
        Longest time in which a client sends its body.
    reload_s : float
        How often the models file is looked at.
    drain_s : float
        After SIGTERM: how long new requests are still answered while the gateway reports that it is not ready.
    grace_s : float
        After that: how long requests under way may take.
    keep_alive_s : int
        Idle time of a client's connection; longer than that of the proxy in front.
    auth : str
        ``local``, ``oidc`` or ``off``, see :class:`~inference.gateway.config.GatewaySettings`; empty for the setting's.
    forward_token : bool
        Whether a client's ``Authorization`` goes along to the model, for a mesh that asks for it there too.
    """

    models: Path
    host: str = "0.0.0.0"
    port: int = 8080
    max_body: int = 32 * 2**20
    max_held: int = 96 * 2**20
    body_timeout_s: float = 30.0
    reload_s: float = 2.0
    drain_s: float = 0.5
    grace_s: float = 30.0
    keep_alive_s: int = 75
    forward_token: bool = False
    auth: str = ""


def parse(argv: Sequence[str]) -> Options:
    """Parse the command line."""
    made = argparse.ArgumentParser(
        prog="python -m inference.gateway",
        description="The product API, and behind it the models' V2 endpoints.",
        epilog="Example: python -m inference.gateway --models models.yaml --host 127.0.0.1 --port 8080",
    )
    add = made.add_argument
    add("--models", type=Path, required=True, help="YAML or JSON file of the models; read again when it changes")
    add("--host", default="0.0.0.0", help="address to listen on")
    add("--port", type=int, default=8080, help="port to listen on; 0 picks a free one")
    add("--max_body_mb", type=_positive, default=32.0, help="largest request, MiB")
    add("--max_held_mb", type=_positive, default=96.0, help="bodies of all requests under way together, MiB")
    add("--body_timeout_seconds", type=_positive, default=30.0, help="longest time for a request's body")
    add("--reload_seconds", type=_positive, default=2.0, help="how often the models file is looked at")
    add("--drain_seconds", type=float, default=0.5, help="after SIGTERM: answer on, but report not ready")
    add("--grace_seconds", type=float, default=30.0, help="after that: time for requests under way")
    add("--keep_alive_seconds", type=int, default=75, help="idle seconds of a client's connection")
    add("--forward_authorization", action="store_true", help="pass clients' tokens on, for a mesh that asks for them")
    add("--auth", choices=("local", "oidc", "off"), default="", help="where tokens come from; ARTHAFLOW_GATEWAY_AUTH")
    args = made.parse_args(argv)
    return Options(
        args.models,
        args.host,
        args.port,
        int(args.max_body_mb * 2**20),
        int(args.max_held_mb * 2**20),
        args.body_timeout_seconds,
        args.reload_seconds,
        args.drain_seconds,
        args.grace_seconds,
        args.keep_alive_seconds,
        args.forward_authorization,
        args.auth,
    )


def _positive(text: str) -> float:
    value = float(text)
    if not 0 < value < math.inf:
        raise argparse.ArgumentTypeError(f"{text!r} is no number above zero")
    return value
