"""``arthaflow serve`` and ``stop``: a registered version with everything around it, as processes on this machine."""

from __future__ import annotations

import signal
import threading
from typing import Annotated

import typer
from rich.table import Table

from components.catalog import get_spec
from components.settings import settings
from pipelines.cli.console import out


def serve(
    model: Annotated[str, typer.Argument(help="Name in the catalogue, see `arthaflow models`.")],
    version: Annotated[str, typer.Option(help="A version number or alias.")] = "production",
    port: Annotated[int, typer.Option(help="Port of the router, which clients talk to; 0 for a free one.")] = 0,
    gateway_port: Annotated[
        int | None, typer.Option(help="Port of the product API; 0 for a free one, 8000 or a free one by default.")
    ] = None,
    only_predictor: Annotated[
        bool, typer.Option("--only-predictor", help="No transformer, explainer, detector.")
    ] = False,
    detach: Annotated[bool, typer.Option("--detach", help="Return, and leave the servers running.")] = False,
) -> None:
    """Serve a registered version: predictor, router, transformer, explainer and drift detector, and the product API.

    Example: [bold]arthaflow serve price_forecast --detach[/bold]
    """
    from components.registry.versions import Registry
    from inference.local import LocalServing
    from pipelines.stack import SURROUNDINGS, Stack

    spec = get_spec(model)
    registry = Registry()
    number = registry.get(spec.name, version).version
    artifact = registry.resolve(spec.name, number)
    serving = LocalServing(settings().root)
    stack = Stack(serving, spec)
    with out.status(f"Starting version {number} of {spec.name} and what surrounds it"):
        up = stack.start(number, artifact, port=port, only=() if only_predictor else SURROUNDINGS)
        if not only_predictor:
            up["product API"] = stack.open(gateway_port)
        stack.guard()
    table = Table(title=f"{spec.name} version {number}", title_justify="left")
    for heading in ("server", "URL"):
        table.add_column(heading)
    for kind, endpoint in up.items():
        table.add_row(kind, endpoint.url)
    out.print(table)
    if not only_predictor:
        out.print(
            f"{up['product API'].url}/docs describes the product API; [bold]arthaflow token[/bold] makes a token."
        )
    if detach:
        out.print("Stop them with [bold]arthaflow stop[/bold].")
        return
    out.print("Ctrl-C stops them.")
    done = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: done.set())
    try:
        done.wait()
    except KeyboardInterrupt:
        out.print("Stopping.")
    finally:
        stack.stop()


def stop() -> None:
    """Stop every server that was started below this home.

    Example: [bold]arthaflow stop[/bold]
    """
    from inference.local import LocalServing

    serving = LocalServing(settings().root)
    running = serving.running()
    serving.stop_all()
    out.print(f"Stopped {len(running)} processes." if running else f"Nothing runs below {serving.home}.")
