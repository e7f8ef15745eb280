"""``arthaflow rollout``: canary a version, look at past rollouts, judge them again offline."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from components.catalog import get_spec
from components.settings import settings
from pipelines.cli.console import out

app = typer.Typer(
    help="Canary a version with an analysis at every step; replay past rollouts.\n\n"
    "Example: [bold]arthaflow rollout start price_forecast --version 2[/bold]",
    no_args_is_help=True,
)


@app.command()
def start(
    model: Annotated[str, typer.Argument(help="A model that is being served, see `arthaflow serve`.")],
    version: Annotated[str, typer.Option(help="The new version: a number or alias.")] = "candidate",
    steps: Annotated[str, typer.Option(help="Percent of the traffic at each step.")] = "10,50,100",
    soak: Annotated[float, typer.Option(help="Least seconds at a step.")] = 60.0,
    max_wait: Annotated[
        float, typer.Option(help="Longest seconds at a step while the analysis is inconclusive.")
    ] = 600.0,
    on_inconclusive: Annotated[str, typer.Option(help="After the longest wait: `rollback` or `hold`.")] = "rollback",
) -> None:
    """Roll a version out behind the running router, with an analysis at each step; a failure rolls back by itself.

    Example: [bold]arthaflow rollout start price_forecast --version 2 --soak 30[/bold]
    """
    from inference.local import LocalServing
    from pipelines.rolling import roll_out
    from pipelines.stack import Stack

    spec = get_spec(model)
    stack = Stack(LocalServing(settings().root), spec)
    result = roll_out(
        stack,
        version,
        tell=lambda event: out.print(describe(event)),
        steps=tuple(_percent(s) for s in steps.split(",")),
        soak_s=soak,
        interval_s=max(0.5, min(5.0, soak / 4)),
        max_wait_s=max(soak, max_wait),
        on_inconclusive=on_inconclusive,
    )
    colour = {"promoted": "green", "held": "yellow"}.get(result.outcome, "red")
    out.print(f"[{colour}]{result.outcome.replace('_', ' ')}[/{colour}]: {result.reason}")
    if result.outcome == "rolled_back":
        raise typer.Exit(3)


@app.command()
def history(model: Annotated[str, typer.Argument(help="Name in the catalogue.")]) -> None:
    """List the rollouts of a model, newest last.

    Example: [bold]arthaflow rollout history price_forecast[/bold]
    """
    from components.rollout.history import read_history

    folder = settings().root / "rollouts"
    files = sorted(folder.glob(f"{get_spec(model).name}-*.jsonl"))
    if not files:
        out.print(f"No rollout of {model} is recorded in {folder}.")
    for file in files:
        out.print(f"[bold]{file}[/bold]")
        for event in read_history(file):
            out.print("  " + describe(event))


@app.command()
def replay(file: Annotated[Path, typer.Argument(help="A history file, see `arthaflow rollout history`.")]) -> None:
    """Judge a recorded rollout again, offline, and compare with what was decided.

    Example: [bold]arthaflow rollout replay .arthaflow/rollouts/price_forecast-2-20261121T120000.jsonl[/bold]
    """
    from components.rollout.history import replay as judge_again

    if not file.is_file():
        raise typer.BadParameter(f"{file} does not exist; `arthaflow rollout history MODEL` lists the recorded ones.")
    judged = judge_again(file)
    for item in judged:
        mark = "[green]same[/green]" if item.identical else "[red]differs[/red]"
        out.print(f"{mark}  {item.step:>3} %  {item.recomputed.outcome}: {item.recomputed.reason}")
    if not all(item.identical for item in judged):
        raise typer.Exit(1)
    out.print(f"{len(judged)} judgements, all the same as recorded.")


def describe(event: dict[str, Any]) -> str:
    """Return one line about an event of a rollout."""
    clock = datetime.fromtimestamp(event["time"], UTC).strftime("%H:%M:%S")
    what = event["event"]
    if what == "step":
        return f"{clock}  version {event['version']} gets {event['step']} % of the traffic"
    if what == "judged":
        judgement = event["judgement"]
        return f"{clock}    {judgement['outcome']} -> {event['action']}: {judgement['reason']}"
    return f"{clock}  version {event['version']} {what.replace('_', ' ')}" + (
        f": {event['reason']}" if event.get("reason") else ""
    )


def _percent(text: str) -> int:
    if not text.strip().isdigit():
        raise typer.BadParameter(f"{text!r} is no percentage; give for example 10,50,100.")
    return int(text)
