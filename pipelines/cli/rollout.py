"""``arthaflow rollout``: canary a version, here or on KServe; look at rollouts, take them back, judge them again."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, cast

import typer

from components.catalog import get_spec
from components.errors import ConfigurationError
from components.settings import settings
from pipelines.cli.console import out

if TYPE_CHECKING:
    from components.rollout.cluster import Site
    from components.rollout.course import RolloutResult

app = typer.Typer(
    help="Canary a version with an analysis at every step; replay past rollouts.\n\n"
    "Exit codes: 0 promoted, 3 rolled back, 4 held for a person, 1 an error; after an error on KServe the same command "
    "continues where it was.\n\n"
    "Example: [bold]arthaflow rollout start price_forecast --version 2[/bold]",
    no_args_is_help=True,
)
EXITS = {"promoted": 0, "rolled_back": 3, "held": 4}

Model = Annotated[str, typer.Argument(help="Name in the catalogue.")]
Target = Annotated[str, typer.Option(help="`local`: behind the router of `arthaflow serve`; `kserve`: on a cluster.")]
Namespace = Annotated[str, typer.Option(help="kserve: of the chart's release.")]
Mode = Annotated[str, typer.Option(help="kserve: Standard or Knative, as the chart's `mode`.")]


@app.command()
def start(
    model: Annotated[str, typer.Argument(help="A model that is being served.")],
    version: Annotated[str, typer.Option(help="The new version: a number or alias.")] = "candidate",
    target: Target = "local",
    steps: Annotated[str, typer.Option(help="Percent of the traffic at each step.")] = "10,50,100",
    soak: Annotated[float, typer.Option(help="Least seconds at a step.")] = 60.0,
    max_wait: Annotated[
        float, typer.Option(help="Longest seconds at a step while the analysis is inconclusive.")
    ] = 600.0,
    on_inconclusive: Annotated[str, typer.Option(help="After the longest wait: `rollback` or `hold`.")] = "rollback",
    namespace: Namespace = "arthaflow",
    mode: Mode = "Standard",
    prometheus: Annotated[str, typer.Option(help="kserve: URL of Prometheus.")] = "http://localhost:9090",
    artifact: Annotated[str, typer.Option(help="kserve: address of the artifact, where the registry has none.")] = "",
    drain: Annotated[float, typer.Option(help="kserve: seconds between taking traffic and deleting.")] = 15.0,
) -> None:
    """Roll a version out, with an analysis at each step; a failure rolls back by itself.

    On KServe this process drives it, against the current kubeconfig context; killed, the same command continues it.

    Example: [bold]arthaflow rollout start price_forecast --version 2 --soak 30[/bold]

    Example: [bold]arthaflow rollout start price_forecast --version 2 --target kserve --prometheus http://localhost:9090[/bold]
    """
    course = {
        "steps": tuple(_percent(s) for s in steps.split(",")),
        "soak_s": soak,
        "interval_s": max(0.5, min(5.0, soak / 4)),
        "max_wait_s": max(soak, max_wait),
        "on_inconclusive": on_inconclusive,
    }
    spec = get_spec(model)
    if _on_cluster(target):
        from pipelines.rolling import roll_out_on_cluster

        site = _site(model, namespace, mode, prometheus, drain)
        result = roll_out_on_cluster(site, spec, version, artifact, tell=_tell, **course)
    else:
        from inference.local import LocalServing
        from pipelines.rolling import roll_out
        from pipelines.stack import Stack

        result = roll_out(Stack(LocalServing(settings().root), spec), version, tell=_tell, **course)
    _end(result)


@app.command()
def status(
    model: Model, target: Target = "kserve", namespace: Namespace = "arthaflow", mode: Mode = "Standard"
) -> None:
    """Tell what serves, how far a rollout is, and who drives it.

    Example: [bold]arthaflow rollout status price_forecast --namespace arthaflow[/bold]
    """
    if _on_cluster(target):
        from pipelines.rolling import cluster_status

        for name, value in cluster_status(_site(model, namespace, mode)).items():
            out.print(f"[bold]{name:<10}[/bold] {value}")
        return
    from components.rollout.targets.local import LocalTarget
    from inference.local import LocalServing

    here = LocalTarget(LocalServing(settings().root), get_spec(model).name)
    out.print(
        f"[bold]{'stable':<10}[/bold] {here.stable_version}\n[bold]{'canary':<10}[/bold] {here.canary_version or '-'}"
    )


@app.command()
def abort(
    model: Model,
    target: Target = "kserve",
    namespace: Namespace = "arthaflow",
    mode: Mode = "Standard",
    drain: Annotated[float, typer.Option(help="Seconds between taking traffic and deleting.")] = 15.0,
) -> None:
    """Take back an unfinished rollout on KServe: all traffic to the stable version, then the canary is removed.

    Whoever drives it loses the lease and stops. A local rollout is taken back with Ctrl-C and the next `start`.

    Example: [bold]arthaflow rollout abort price_forecast --namespace arthaflow[/bold]
    """
    if not _on_cluster(target):
        raise ConfigurationError(
            "A local rollout lives in the process that runs it.", "End that with Ctrl-C; the next rollout cleans up."
        )
    from pipelines.rolling import abort_on_cluster

    result = abort_on_cluster(_site(model, namespace, mode, drain=drain), tell=_tell)
    out.print(f"{result.outcome.replace('_', ' ')}: {result.reason} Version {result.stable_version} serves.")


@app.command()
def history(model: Model) -> None:
    """List the rollouts of a model, newest last: those on this machine, and those that the artifact store keeps.

    Example: [bold]arthaflow rollout history price_forecast[/bold]
    """
    from components.rollout.archive import open_archive
    from components.rollout.history import read_history

    name, folder, archive = get_spec(model).name, settings().root / "rollouts", open_archive()
    found = {str(path): read_history(path) for path in sorted(folder.glob(f"{name}-*.jsonl"))}
    found |= {key: archive.read(key) for key in archive.keys(name)}
    if not found:
        out.print(f"No rollout of {model} is recorded in {folder} or {settings().store_uri}.")
    for place, events in found.items():
        out.print(f"[bold]{place}[/bold]")
        for event in events:
            out.print("  " + describe(event))


@app.command()
def replay(
    file: Annotated[str, typer.Argument(help="A history file or key, see `arthaflow rollout history`.")],
) -> None:
    """Judge a recorded rollout again, offline, and compare with what was decided.

    Example: [bold]arthaflow rollout replay .arthaflow/rollouts/price_forecast-2-20261121T120000.jsonl[/bold]
    """
    from components.rollout.archive import open_archive
    from components.rollout.history import read_history, replay_events

    events = read_history(Path(file)) if Path(file).is_file() else []
    if not events and not file.endswith(".jsonl"):
        events = open_archive().read(file)
    if not events:
        raise typer.BadParameter(f"{file} does not exist; `arthaflow rollout history MODEL` lists the recorded ones.")
    judged = replay_events(events)
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


def _tell(event: dict[str, Any]) -> None:
    out.print(describe(event))


def _end(result: RolloutResult) -> None:
    colour = {"promoted": "green", "held": "yellow"}.get(result.outcome, "red")
    out.print(f"[{colour}]{result.outcome.replace('_', ' ')}[/{colour}]: {result.reason}")
    if EXITS[result.outcome]:
        raise typer.Exit(EXITS[result.outcome])


def _on_cluster(target: str) -> bool:
    if target not in ("local", "kserve"):
        raise typer.BadParameter(f"the target {target!r} is unknown; use local or kserve.")
    return target == "kserve"


def _site(model: str, namespace: str, mode: str, prometheus: str = "", drain: float = 15.0) -> Site:
    from components.rollout.cluster import Site

    chosen = cast("Literal['Standard', 'Knative']", mode)
    return Site(get_spec(model).name, namespace, chosen, prometheus, drain_s=drain)


def _percent(text: str) -> int:
    if not text.strip().isdigit():
        raise typer.BadParameter(f"{text!r} is no percentage; give for example 10,50,100.")
    return int(text)
