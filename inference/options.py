"""Command line of the predictor. Light: a wrong flag, a taken port or a broken artifact is told before kserve is
imported."""

from __future__ import annotations

import argparse
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from components.errors import ConfigurationError, PortInUse

KSERVE_FLAGS = frozenset(
    [
        "--max_threads",
        "--max_asyncio_workers",
        "--enable_docs_url",
        "--enable_latency_logging",
        "--configure_logging",
        "--log_config_file",
        "--access_log_format",
        "--event-loop",
        "--predictor_host",
        "--protocol",
        "--predictor_protocol",
        "--predictor_use_ssl",
        "--predictor_request_timeout_seconds",
        "--predictor_request_retries",
        "--enable_predictor_health_check",
    ]
)
"""Flags of kserve's own parser; accepted, because charts written for kserve pass them."""


@dataclass(frozen=True)
class Options:
    """What one predictor process was told.

    Attributes
    ----------
    artifact : Path
        Artifact directory.
    model_name, model_version : str
        On the protocol; empty for the model's own name and the artifact's version.
    host : str
        Address to listen on.
    http_port, grpc_port : int
        Ports; gRPC is off when ``grpc_port`` is None.
    payload_log : Path or None
        SQLite file.
    admin : bool
        Whether models may be loaded and unloaded over the protocol.
    max_body : int
        Largest request, bytes.
    drain_s : float
        After SIGTERM: how long new requests are still answered while the server reports that it is not ready.
    grace_s : float
        After that: how long requests under way may take.
    keep_alive_s : int
        Idle time of a connection; longer than that of the proxy in front.
    """

    artifact: Path
    model_name: str = ""
    model_version: str = ""
    host: str = "0.0.0.0"
    http_port: int = 8080
    grpc_port: int | None = None
    payload_log: Path | None = None
    admin: bool = False
    max_body: int = 32 * 2**20
    drain_s: float = 0.5
    grace_s: float = 30.0
    keep_alive_s: int = 65


def parser() -> argparse.ArgumentParser:
    """Return the parser."""
    made = argparse.ArgumentParser(
        prog="python -m inference.predictor",
        description="Serve one model artifact over V2 REST and gRPC.",
        epilog="Example: python -m inference.predictor --artifact artifacts/price_forecast/3 --http_port 8080",
    )
    add = made.add_argument
    add("--artifact", type=Path, default=Path("/mnt/models"), help="artifact directory (default: where KServe puts it)")
    add("--model_name", default="", help="name on the protocol (default: the model's own)")
    add("--model_version", default="", help="version on the protocol (default: the artifact's)")
    add("--host", default="0.0.0.0", help="address to listen on")
    add("--http_port", type=_port, default=8080, help="REST port")
    add("--grpc_port", type=_port, default=None, help="gRPC port (default: no gRPC)")
    add("--enable_grpc", type=_flag, default=True, help="false switches gRPC off")
    add("--payload_log", type=Path, default=None, help="SQLite file for requests and responses (default: none)")
    add("--admin", action="store_true", help="open the load and unload endpoints")
    add("--max_body_mb", type=float, default=32.0, help="largest request, MiB")
    add("--drain_seconds", type=float, default=0.5, help="after SIGTERM: answer on, but report not ready")
    add("--grace_seconds", type=float, default=30.0, help="after that: time for requests under way")
    add("--timeout-keep-alive", type=int, default=65, dest="keep_alive", help="idle seconds of a connection")
    add("--workers", type=int, default=1, help="must be 1: scale with replicas")
    return made


def parse(argv: Sequence[str]) -> Options:
    """Parse the command line.

    Raises
    ------
    ConfigurationError
        For a flag that neither this server nor kserve knows, or more than one worker.
    """
    args, rest = parser().parse_known_args(argv)
    unknown = [a for a in rest if a.startswith("--") and a.split("=", 1)[0] not in KSERVE_FLAGS]
    if unknown:
        raise ConfigurationError(f"Unknown option {unknown[0]}.", "See --help.")
    if args.workers != 1:
        raise ConfigurationError(f"--workers={args.workers} is not offered.", "Run more replicas instead.")
    return Options(
        args.artifact,
        args.model_name,
        args.model_version,
        args.host,
        args.http_port,
        args.grpc_port if args.enable_grpc else None,
        args.payload_log,
        args.admin,
        int(args.max_body_mb * 2**20),
        args.drain_seconds,
        args.grace_seconds,
        args.keep_alive,
    )


def _port(text: str) -> int:
    value = int(text)
    if not 0 < value < 65536:
        raise argparse.ArgumentTypeError(f"{value} is not a port (1 to 65535)")
    return value


def _flag(text: str) -> bool:
    if text.lower() not in ("true", "false", "1", "0"):
        raise argparse.ArgumentTypeError(f"{text!r} is neither true nor false")
    return text.lower() in ("true", "1")


def bind(host: str, port: int) -> socket.socket:
    """Return a socket that holds a port; nobody can connect before the server listens on it.

    Raises
    ------
    PortInUse
        If another process listens there, or the address is not this machine's.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    held = socket.socket(family, socket.SOCK_STREAM)
    held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        held.bind((host, port))
    except OSError as error:
        held.close()
        raise PortInUse(
            f"Port {port} on {host} cannot be taken ({error.strerror}).",
            "Stop what listens there, or choose another port.",
        ) from error
    return held
