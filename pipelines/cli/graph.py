"""``arthaflow run`` and ``compile``: a graph on this machine, or as Kubeflow takes it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from components.catalog import get_spec
from components.settings import settings
from pipelines.cli.console import err, out, print_json

SOURCE_HELP = "`embedded`, `embedded-stocks`, or the path of a CSV or Parquet file of bars; the model's own by default."
ModelArgument = Annotated[str, typer.Argument(help="Name in the catalogue, see `arthaflow models`.")]


def run(
    model: ModelArgument,
    source: Annotated[str, typer.Option(help=SOURCE_HELP)] = "",
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
    arguments: dict[str, object] = {"source": source or spec.source, "bar": bar, "until": until, "params": params}
    if horizons:
        arguments["horizons"] = [name.strip() for name in horizons.split(",")]
    result = run_training(spec.name, arguments, settings().root, err if as_json else out)
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
    graph: Annotated[str, typer.Option(help="train, tune, drift or rollout.")] = "train",
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Where the IR YAML goes.")] = None,
) -> None:
    """Compile a graph to the IR YAML that a Kubeflow Pipelines cluster runs.

    Example: [bold]arthaflow compile price_forecast --graph drift -o drift.yaml[/bold]
    """
    from pipelines.compile import compile_pipeline, file_name

    spec = get_spec(model)
    default = f"{spec.name}.yaml" if graph == "train" else file_name(graph, spec)
    out.print(f"Compiled to {compile_pipeline(spec.name, output or Path(default), graph)}")
