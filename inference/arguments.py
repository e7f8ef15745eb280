"""Command lines of the servers around a predictor; imports nothing heavy."""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Callable, Sequence

from components.errors import ArthaflowError
from inference.telemetry import logs

LOG = logging.getLogger("arthaflow")


def server_parser(description: str) -> argparse.ArgumentParser:
    """Return a parser with the arguments that KServe appends to every container."""
    result = argparse.ArgumentParser(description=description, allow_abbrev=False)
    result.add_argument("--model_name", required=True, help="name on the inference protocol")
    result.add_argument("--protocol_name", default="", help="the same, kept where KServe appends another")
    result.add_argument("--http_port", type=int, default=8080, help="port to listen on; 0 picks a free one")
    result.add_argument("--host", default="0.0.0.0", help="address to listen on")
    result.add_argument("--spec", default="", help="name in the catalogue, where it is not the model name")
    return result


def predictor_arguments(result: argparse.ArgumentParser) -> None:
    """Add the arguments that say where the predictor is and how patiently it is asked."""
    result.add_argument("--predictor_host", required=True, help="host:port of the predictor; port 80 without one")
    result.add_argument("--predictor_request_timeout_seconds", type=float, default=30.0, help="per request")
    result.add_argument("--predictor_request_retries", type=int, default=2, help="after a refused connection or a 503")


def parse(result: argparse.ArgumentParser, arguments: Sequence[str]) -> argparse.Namespace:
    """Parse, and name unknown arguments in the log: KServe may append some that are not for this server.

    KServe appends ``--model_name <InferenceService>`` to an explainer and to a transformer, and the last one counts; a
    version's InferenceService has another name than its model, which ``--protocol_name`` keeps.
    """
    known, unknown = result.parse_known_args(arguments)
    if getattr(known, "protocol_name", ""):
        known.model_name = known.protocol_name
    if unknown:
        LOG.warning("ignoring unknown arguments: %s", " ".join(unknown))
    return known


def run(main: Callable[[Sequence[str]], None], service: str) -> None:
    """Run a server's main function; an error becomes one message on stderr and exit status 1.

    Parameters
    ----------
    main : callable
        Takes the command line's arguments.
    service : str
        The server's name in its log lines.
    """
    try:
        logs.configure(service)
        main(sys.argv[1:])
    except ArthaflowError as error:
        sys.stderr.write(f"{type(error).__name__}: {error}\n")
        raise SystemExit(1) from error
