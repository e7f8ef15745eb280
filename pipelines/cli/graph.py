"""``arthaflow run``, ``compile`` and ``submit``: one training graph, on this machine or on Kubeflow."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from components.catalog import get_spec
from components.settings import settings
from pipelines.cli.console import out, print_json

ModelArgument = Annotated[str, typer.Argument(help="Name in the catalogue, see `arthaflow models`.")]


def run(
    model: ModelArgument,
    source: Annotated[str, typer.Option(help="`embedded`, or the path of a CSV or Parquet file of bars.")] = "embedded",
    bar: Annotated[str, typer.Option(help="Bar length of the source: 1d, 1h, 30m, 15m, 5m or 1m.")] = "1d",
    until: Annotated[str, typer.Option(help="Use data up to this ISO date only.")] = "",
    horizons: Annotated[str, typer.Option(help="Horizons, as `next_bar`; the spec's by default.")] = "",
    params: Annotated[str, typer.Option(help="Hyper-parameters that differ from the default, as JSON.")] = "{}",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for scripts.")] = False,
) -> None:
    """Run the whole training graph on this machine: ingest to gate, register, report.

    Example: [bold]arthaflow run price_forecast --until 2016-12-30[/bold]
    """
    from pipelines.local import run_training

    spec = get_spec(model)
    arguments: dict[str, object] = {"source": source, "bar": bar, "until": until, "params": params}
    if horizons:
        arguments["horizons"] = [name.strip() for name in horizons.split(",")]
    result = run_training(spec.name, arguments, settings().root, None if as_json else out)
    if as_json:
        print_json(result.to_dict())
        return
    colour = "green" if result.promoted else "yellow"
    out.print(f"[{colour}]{result.reason}[/{colour}]")
    if result.version:
        out.print(f"Registered as version {result.version}: [bold]arthaflow models show {spec.name}[/bold]")
    out.print(f"Report: {result.report}")


def compile_(
    model: ModelArgument,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Where the IR YAML goes.")] = None,
) -> None:
    """Compile the training graph to the IR YAML that a Kubeflow Pipelines cluster runs.

    Example: [bold]arthaflow compile price_forecast -o price_forecast.yaml[/bold]
    """
    from pipelines.compile import compile_pipeline

    spec = get_spec(model)
    path = compile_pipeline(spec.name, output or Path(f"{spec.name}.yaml"))
    out.print(f"Compiled to {path}")


def submit(
    model: ModelArgument,
    host: Annotated[str, typer.Option(help="URL of the Kubeflow Pipelines API.", envvar="ARTHAFLOW_KFP_HOST")] = "",
    until: Annotated[str, typer.Option(help="Use data up to this ISO date only.")] = "",
    experiment: Annotated[str, typer.Option(help="Experiment in the Kubeflow UI.")] = "arthaflow",
    cron: Annotated[str, typer.Option(help="Six fields, seconds first, to run on a schedule.")] = "",
) -> None:
    """Submit the training graph to a Kubeflow Pipelines cluster, once or on a schedule.

    Example: [bold]arthaflow submit price_forecast --host http://localhost:8888[/bold]
    """
    from pipelines.submit import submit as submit_graph

    spec = get_spec(model)
    answer = submit_graph(spec.name, host, arguments={"until": until}, experiment=experiment, cron=cron)
    out.print(f"Submitted: {answer}")
