"""``arthaflow explain``: why a prediction came out as it did."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from components.catalog import get_spec
from components.settings import settings
from pipelines.cli.console import out, print_json


def explain(
    model: Annotated[str, typer.Argument(help="A model that is being served, see `arthaflow serve`.")],
    entity: Annotated[str, typer.Option(help="For example the security; its features come from Feast.")] = "",
    at: Annotated[str, typer.Option(help="ISO 8601 time, UTC; empty for now.")] = "",
    features: Annotated[Path | None, typer.Option(help="Or a JSON file with one row's tensors.")] = None,
    kind: Annotated[str, typer.Option(help="kernel_shap, anchor_tabular or permutation_shap.")] = "",
    output: Annotated[str, typer.Option(help="Explained number, as `price.1_day`; the spec's by default.")] = "",
    relative_to: Annotated[str, typer.Option(help="Input column to explain the change against, as `close`.")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for scripts.")] = False,
) -> None:
    """Explain one prediction.

    Example: [bold]arthaflow explain price_forecast --entity SP500 --at 2018-12-31T21:00:00Z[/bold]
    """
    from inference.local import LocalServing
    from pipelines.asking import explain_inputs
    from pipelines.cli.predict import read_tensors
    from pipelines.lookup import entity_inputs

    spec = get_spec(model)
    serving = LocalServing(settings().root)
    if bool(entity) == bool(features):
        raise typer.BadParameter("Give either --entity or --features.")
    if features:
        inputs = read_tensors(features)
    else:
        inputs = dict(entity_inputs(serving, spec, entity, at or datetime.now(UTC).isoformat()))
    row = {name: values[0] for name, values in inputs.items()}
    answer = explain_inputs(serving, spec, row, kind=kind, output=output, relative_to=relative_to)
    if as_json:
        print_json(answer)
    else:
        show(answer)


def show(answer: dict[str, Any], most: int = 12) -> None:
    """Print an explanation for a person."""
    for key in ("summary", "why", "sentence"):
        if answer.get(key):
            out.print(f"[bold]{answer[key]}[/bold]")
    if answer.get("attributions"):
        table = Table(title=f"{answer.get('method', '')}", title_justify="left")
        for heading in ("feature", "value", "attribution"):
            table.add_column(heading)
        for item in answer["attributions"][:most]:
            value = "-" if item.get("value") is None else f"{item['value']:.5g} {item.get('unit', '')}"
            table.add_row(item["feature"], value, f"{item['attribution']:+.4g} {answer.get('unit', '')}")
        out.print(table)
    for key, value in answer.items():
        if key not in ("attributions", "summary", "why", "sentence"):
            out.print(f"{key}: {value}")
