"""``arthaflow demo``: the main job, from real prices to a canary."""

from __future__ import annotations

import time
from typing import Annotated

import typer
from rich.panel import Panel
from rich.table import Table

from components.settings import settings
from pipelines.cli.console import out


def demo(keep: Annotated[bool, typer.Option("--keep", help="Leave the servers running at the end.")] = False) -> None:
    """Train, serve, explain, watch and roll out one model on real prices, with nothing installed but packages.

    Example: [bold]arthaflow demo --keep[/bold]
    """
    import os

    home = settings().root / "demo"
    # The registry, the feature store and every server of the demo live in a home of their own.
    os.environ["ARTHAFLOW_HOME"] = str(home)
    settings.cache_clear()
    from pipelines.demo import run_demo

    began = time.perf_counter()
    result = run_demo(home, out, keep)
    table = Table(title="Where the time went", title_justify="left")
    for heading in ("phase", "seconds"):
        table.add_column(heading)
    for title, seconds in result.timings.items():
        table.add_row(title, f"{seconds:.1f}")
    table.add_row("[bold]all[/bold]", f"[bold]{time.perf_counter() - began:.1f}[/bold]")
    out.print(table)
    traffic = result.traffic
    lines = [
        f"Version 1: {result.first.reason}",
        f"Version 2: {result.second.reason}",
        f"Rollout of version {result.promoted.version}: {result.promoted.outcome}: {result.promoted.reason}",
        f"Rollout of version {result.rolled_back.version}: rolled back: {result.rolled_back.reason}",
        f"Live traffic: {traffic.sent} requests, {traffic.failed} failed, p95 {traffic.p95_ms:.1f} ms",
        f"Audit trail: {result.trail.sentence}",
        f"Drift before: {result.drift_before['sentence']}",
        f"Drift after: {result.drift_after['sentence']}",
        f"Report: {result.report}",
    ]
    out.print(Panel("\n\n".join(lines), title="Summary", title_align="left"))
    if keep:
        for kind, url in result.urls.items():
            out.print(f"{kind}: {url}")
        out.print(f"The servers run. Stop them with [bold]ARTHAFLOW_HOME={home} arthaflow stop[/bold].")
