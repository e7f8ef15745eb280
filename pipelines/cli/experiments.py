"""``arthaflow experiments``: plan, create, serve both versions, read results, stop."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table

from components.errors import DataRejected, InvalidRequest
from components.settings import settings
from pipelines.cli.console import out, print_json

if TYPE_CHECKING:
    from components.records.database import Database
    from components.rollout.cluster import Site

app = typer.Typer(
    help="Compare two versions of a model on users, from plan to decision: see docs/experiments.md.\n\n"
    "Example: [bold]arthaflow experiments results price_forecast_v2[/bold]",
    no_args_is_help=True,
)
COLOURS = {"promote_treatment": "green", "keep_control": "blue", "need_more_data": "yellow"}

Which = Annotated[str, typer.Argument(help="Name or id of an experiment.")]
AsJson = Annotated[bool, typer.Option("--json", help="JSON for scripts.")]
Target = Annotated[str, typer.Option(help="`local`, or `kserve` on a cluster (Standard mode).")]
Namespace = Annotated[str, typer.Option(help="kserve: of the chart's release.")]


@app.command("list")
def list_(
    model: Annotated[str, typer.Option(help="Of this model only.")] = "",
    status: Annotated[str, typer.Option(help="running, completed or stopped.")] = "",
    as_json: AsJson = False,
) -> None:
    """List experiments, the newest first.

    Example: [bold]arthaflow experiments list --status running[/bold]
    """
    from inference.gateway.experiments.store import page
    from inference.gateway.experiments.views import view

    rows, _ = page(_database(), limit=500, model=model, status=status)
    found = [view(row) for row in rows]
    if as_json:
        return print_json([e.model_dump() for e in found])
    grid = Table(box=None)
    for heading in ("experiment", "model", "versions", "status", "until", "decision"):
        grid.add_column(heading)
    for e in found:
        versions = " / ".join(e.variants[v].model_version for v in ("control", "treatment"))
        grid.add_row(e.experiment_id, e.model, versions, e.status, e.end_date[:16], e.decision or "-")
    return out.print(grid if found else "No experiment is recorded.")


@app.command()
def create(
    file: Annotated[Path, typer.Argument(help="Document 0's or 1's payload as JSON.")], as_json: AsJson = False
) -> None:
    """Record an experiment from a file; users are assigned from its start on.

    Example: [bold]arthaflow experiments create recommendation_model_v2.json[/bold]
    """
    from pydantic import ValidationError

    from inference.gateway.experiments.payloads import ExperimentRequest
    from inference.gateway.experiments.store import create as record
    from inference.gateway.experiments.views import view

    try:
        asked = ExperimentRequest.model_validate_json(file.read_bytes())
    except OSError as error:
        raise DataRejected(f"{file} cannot be read ({error.strerror}).", "Give a JSON file.") from error
    except ValidationError as error:
        told = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}".lstrip(": ") for e in error.errors())
        raise InvalidRequest(f"{file}: {told}.", "See docs/experiments.md for the fields.") from error
    made = view(record(_database(), asked, "command line"))
    if as_json:
        return print_json(made.model_dump())
    return out.print(
        f"Experiment [bold]{made.experiment_id}[/bold] of {made.model} until {made.end_date[:16]}. "
        f"Serve both versions: [bold]arthaflow experiments start {made.experiment_id}[/bold]"
    )


@app.command()
def results(
    which: Which,
    segments: Annotated[str, typer.Option(help="Dimensions, by commas; all when left out.")] = "",
    html: Annotated[Path | None, typer.Option(help="Where the page goes; below the home when left out.")] = None,
    as_json: AsJson = False,
) -> None:
    """Tell what the numbers say so far; it may be asked as often as wanted. Writes a page too.

    Example: [bold]arthaflow experiments results price_forecast_v2 --segments tier[/bold]
    """
    from components.evaluation.plots.experiment_page import experiment_page
    from inference.gateway.experiments.results import results as read
    from inference.gateway.experiments.store import find

    database = _database()
    wanted = tuple(filter(None, (part.strip() for part in segments.split(","))))
    report = read(database, find(database, which), segments=wanted)
    path = html or settings().root / "experiments" / f"{report['experiment_id']}.html".replace(":", "-")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(experiment_page(report), encoding="utf-8")
    if as_json:
        return print_json(report)
    _show(report)
    return out.print(f"Page: {path}", soft_wrap=True)


@app.command()
def plan(
    effect: Annotated[float, typer.Option(help="Least absolute effect worth finding.")],
    baseline: Annotated[float | None, typer.Option(help="The control's rate, decimal.")] = None,
    deviation: Annotated[float | None, typer.Option(help="Standard deviation of one user's number.")] = None,
    treatment_share: Annotated[float, typer.Option(help="Share of the users with the treatment.")] = 0.5,
    alpha: Annotated[float, typer.Option(help="Error.")] = 0.05,
    power: Annotated[float, typer.Option(help="Chance of finding the effect.")] = 0.8,
    correlation: Annotated[float, typer.Option(help="Between a user's number and its past (CUPED).")] = 0.0,
    daily_users: Annotated[float | None, typer.Option(help="New users a day.")] = None,
    as_json: AsJson = False,
) -> None:
    """Plan sample size and days.

    Example: [bold]arthaflow experiments plan --effect 0.02 --baseline 0.10 --daily-users 1000[/bold]
    """
    from components.experiments.power import plan as compute

    try:
        found = compute(
            effect=effect,
            baseline=baseline,
            standard_deviation=deviation,
            treatment_share=treatment_share,
            alpha=alpha,
            power=power,
            correlation=correlation,
            daily_users=daily_users,
        )
    except ValueError as error:
        raise InvalidRequest(f"{str(error)[:1].upper()}{str(error)[1:]}.", "Correct the number.") from error
    return print_json(found.to_dict()) if as_json else out.print(found.advice)


@app.command()
def stop(which: Which, reason: Annotated[str, typer.Option(help="Is recorded.")] = "") -> None:
    """Stop assigning users; everybody gets the control. `end` takes the treatment away.

    Example: [bold]arthaflow experiments stop price_forecast_v2 --reason "too few users"[/bold]
    """
    from inference.gateway.experiments.store import find, status_of
    from inference.gateway.experiments.store import stop as record

    database = _database()
    row = record(database, find(database, which), "command line", reason)
    out.print(
        f"{row['experiment_name']} is {status_of(row)}. "
        f"[bold]arthaflow experiments end {which}[/bold] stops serving the treatment."
    )


@app.command()
def start(
    which: Which,
    target: Target = "local",
    namespace: Namespace = "arthaflow",
    artifact: Annotated[str, typer.Option(help="kserve: address of the artifact, where the registry has none.")] = "",
) -> None:
    """Serve the treatment beside the control, as a canary at 0 % that is held: only assigned users get it.

    Example: [bold]arthaflow experiments start price_forecast_v2[/bold]
    """
    from inference.gateway.experiments.store import design_of, find
    from inference.local import LocalServing
    from pipelines.ab_tests import serve_both, serve_both_on_cluster

    design = design_of(find(_database(), which))
    if _on_cluster(target):
        version = serve_both_on_cluster(_site(design.model, namespace), design, artifact)
    else:
        version = serve_both(LocalServing(settings().root), design)
    out.print(
        f"Version {version} of {design.model} is served beside version {design.versions['control']}, "
        f"for {design.name} only."
    )


@app.command()
def end(which: Which, target: Target = "local", namespace: Namespace = "arthaflow") -> None:
    """Take the treatment away again. To promote it, decide, end, and roll it out.

    Example: [bold]arthaflow experiments end price_forecast_v2[/bold]
    """
    from inference.gateway.experiments.store import design_of, find, status_of
    from inference.local import LocalServing
    from pipelines.ab_tests import serve_control, serve_control_on_cluster

    row = find(_database(), which)
    design = design_of(row)
    if _on_cluster(target):
        serve_control_on_cluster(_site(design.model, namespace), design)
    else:
        serve_control(LocalServing(settings().root), design)
    out.print(f"Version {design.versions['control']} of {design.model} serves alone.")
    if status_of(row) == "running":
        out.print(f"[yellow]{design.name} still assigns users: `arthaflow experiments stop {which}`.[/yellow]")


def _show(report: dict[str, Any]) -> None:
    verdict = report["verdict"]
    colour = COLOURS[verdict["decision"]]
    out.print(f"[{colour}]{verdict['decision'].replace('_', ' ')}[/{colour}]: {verdict['reason']}")
    users = report["users"]
    out.print(
        f"{users['control']} users in control, {users['treatment']} in treatment. {report['sample_ratio']['verdict']}"
    )
    grid = Table(box=None)
    grid.add_column("metric", no_wrap=True)
    for heading in ("role", "control", "treatment", "difference", "interval", "p"):
        grid.add_column(heading)
    for metric in report["metrics"]:
        test, name = metric["test"], metric["name"]
        grid.add_row(name, metric["role"], *_numbers(test), _interval(test), f"{test['p_value']:.2g}")
    for segment in report["segments"]:
        test, name = segment["test"], f"  {segment['dimension']}: {segment['segment']}"
        grid.add_row(name, "segment", *_numbers(test), _interval(test), "finding" if segment["finding"] else "-")
    out.print(grid)


def _numbers(test: dict[str, Any]) -> list[str]:
    return ["-" if test[k] is None else f"{test[k]:.4g}" for k in ("control", "treatment", "effect")]


def _interval(test: dict[str, Any]) -> str:
    return "too few users" if test["interval"] is None else "{:.4g} to {:.4g}".format(*test["interval"])


def _database() -> Database:
    from components.records.database import open_database

    return open_database()


def _on_cluster(target: str) -> bool:
    if target not in ("local", "kserve"):
        raise typer.BadParameter(f"the target {target!r} is unknown; use local or kserve.")
    return target == "kserve"


def _site(model: str, namespace: str) -> Site:
    from components.rollout.cluster import Site

    return Site(model, namespace)
