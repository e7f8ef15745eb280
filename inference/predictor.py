"""The predictor: serves any model artifact over V2 REST and gRPC.

Example::

    python -m inference.predictor --artifact artifacts/price_forecast/3 --http_port 8080 --grpc_port 8081

What can go wrong is found in this order, each with one message and a non-zero exit: a flag, a port, the artifact (every
SHA-256), the model, its golden requests, the payload log. Only then does the server listen.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from components.errors import ArthaflowError
from inference.options import Options, bind, parse
from inference.telemetry import logs, tracing

if TYPE_CHECKING:
    from inference.dataplane import DataPlane


def serve(options: Options) -> None:
    """Load, prove and serve a model until a signal comes.

    Raises
    ------
    ArthaflowError
        If it cannot start; nothing listens then.
    """
    http_socket = bind(options.host, options.http_port)
    if options.grpc_port is not None:
        bind(options.host, options.grpc_port).close()
    from inference.metrics import ServerMetrics
    from inference.payload_log import PayloadLog
    from inference.served_model import load_served

    served = load_served(options.artifact, options.model_name, options.model_version)
    tracing.setup("arthaflow-predictor", served.version, served.name)
    log = PayloadLog(options.payload_log) if options.payload_log is not None else None
    try:
        from inference.kserve_server import run_server

        plane = _plane_class()(ServerMetrics(), log)
        plane.serve(served)
        run_server(options, plane, served, http_socket)
    finally:
        if log is not None:
            log.close()


def _plane_class() -> type[DataPlane]:
    if tracing.tracer() is not None:
        from inference.telemetry.predictor import TracedDataPlane

        return TracedDataPlane
    from inference.dataplane import DataPlane

    return DataPlane


def main(argv: Sequence[str] | None = None) -> int:
    """Run the predictor; return its exit code."""
    # One thread per worker: a row is too small to share, and idle OpenMP threads spin on the core that answers.
    for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ.setdefault(variable, "1")
    try:
        logs.configure("predictor")
        serve(parse(sys.argv[1:] if argv is None else argv))
    except ArthaflowError as error:
        print(f"error: {error}", file=sys.stderr)  # noqa: T201 - the command line's one message
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
