"""``arthaflow drift``: what the detector makes of the requests it has seen."""

from __future__ import annotations

from typing import Annotated, Any

import typer
from rich.table import Table

from components.catalog import get_spec
from components.settings import settings
from pipelines.cli.console import out, print_json


def drift(
    model: Annotated[str, typer.Argument(help="A model that is being served, see `arthaflow serve`.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for scripts.")] = False,
) -> None:
    """Ask whether the model's inputs have drifted from the data it learnt from. Exit code 4 when they have.

    Example: [bold]arthaflow drift price_forecast[/bold]
    """
    from inference.local import LocalServing
    from pipelines.asking import drift_verdict

    verdict = drift_verdict(LocalServing(settings().root), get_spec(model))
    if as_json:
        print_json(verdict)
    else:
        show(verdict)
    if verdict["outcome"] == "drift":
        raise typer.Exit(4)


def show(verdict: dict[str, Any]) -> None:
    """Print a verdict for a person."""
    colour = {"drift": "red", "no_drift": "green"}.get(str(verdict["outcome"]), "yellow")
    out.print(f"[{colour}]{verdict['sentence']}[/{colour}]")
    table = Table()
    for heading in ("detector", "column", "statistic", "threshold", "p", "drift"):
        table.add_column(heading)
    for result in verdict["results"]:
        numbers = (f"{result[key]:.4g}" for key in ("statistic", "threshold", "p_value"))
        table.add_row(result["detector"], result["column"], *numbers, "yes" if result["drift"] else "no")
    if verdict["results"]:
        out.print(table)
    for detector, reason in verdict["skipped"].items():
        out.print(f"[dim]{detector} did not run: {reason}[/dim]")
