"""``arthaflow tune``: search a model's hyper-parameters, then train and judge it with the best."""

from __future__ import annotations

import json
from typing import Annotated, Any

import typer

from components.catalog import get_spec
from components.settings import settings
from pipelines.cli.console import err, out, print_json
from pipelines.cli.graph import SOURCE_HELP, ModelArgument


def tune(
    model: ModelArgument,
    trials: Annotated[int, typer.Option(help="Trials besides the default.", min=1)] = 12,
    timeout: Annotated[int, typer.Option(help="Start no trial after so many seconds; 0 for no limit.", min=0)] = 0,
    engine: Annotated[str, typer.Option(help="`optuna`: on this machine; `katib`: on a cluster.")] = "optuna",
    parallel: Annotated[int, typer.Option(help="Trials at a time, with Katib.", min=1)] = 2,
    source: Annotated[str, typer.Option(help=SOURCE_HELP)] = "",
    bar: Annotated[str, typer.Option(help="Bar length of the source: 1d, 1h, 30m, 15m, 5m or 1m.")] = "1d",
    until: Annotated[str, typer.Option(help="Use data up to this ISO date only.")] = "",
    params: Annotated[str, typer.Option(help="Hyper-parameters to fix, as JSON; they are not searched.")] = "{}",
    seed: Annotated[int, typer.Option(help="Of the search and of the model.")] = 7,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for scripts.")] = False,
) -> None:
    """Search hyper-parameters on the earlier folds, then train, judge on the last fold, and register.

    A search that was stopped goes on where it was when it is asked again.

    Example: [bold]arthaflow tune price_forecast --trials 12[/bold]
    """
    from pipelines.local import run_tuning

    spec = get_spec(model)
    arguments: dict[str, Any] = {
        "source": source or spec.source,
        "bar": bar,
        "until": until,
        "params": params,
        "seed": seed,
        "engine": engine,
        "trials": trials,
        "parallel": parallel,
        "timeout_s": timeout,
    }
    result = run_tuning(spec.name, arguments, settings().root, err if as_json else out)
    told = json.loads(result.artifacts["conclude/tuning"].read_text(encoding="utf-8"))
    if as_json:
        print_json({**result.to_dict(), "tuning": told})
        return
    out.print(told["sentence"], style="green" if told["survives"] else "yellow")
    best = ", ".join(f"{k}={v:.4g}" if isinstance(v, float) else f"{k}={v}" for k, v in told["best_params"].items())
    out.print(f"Trained with: {best}")
    out.print(f"[{'green' if result.promoted else 'yellow'}]{result.reason}[/]")
    if result.version:
        out.print(f"Registered as version {result.version}: [bold]arthaflow models show {spec.name}[/bold]")
    out.print(f"Tuning: {result.artifacts['conclude/page']}\nReport: {result.report}")
