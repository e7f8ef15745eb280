"""``arthaflow predict``: ask a served model, by entity and time or with features."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from rich.table import Table

from components.catalog import get_spec
from components.errors import InvalidRequest
from components.models.spec import ModelSpec
from components.settings import settings
from pipelines.cli.console import out, print_json


def predict(
    model: Annotated[str, typer.Argument(help="A model that is being served, see `arthaflow serve`.")],
    entity: Annotated[str, typer.Option(help="For example the security; its features come from Feast.")] = "",
    at: Annotated[str, typer.Option(help="ISO 8601 time, UTC; empty for now.")] = "",
    features: Annotated[Path | None, typer.Option(help="Or a JSON file with the rows' tensors.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for scripts.")] = False,
) -> None:
    """Ask for a prediction.

    Example: [bold]arthaflow predict price_forecast --entity SP500 --at 2018-12-31T21:00:00Z[/bold]
    """
    from inference.local import LocalServing
    from pipelines.asking import predict_entity, predict_inputs, served_horizons

    spec = get_spec(model)
    serving = LocalServing(settings().root)
    if bool(entity) == bool(features):
        raise typer.BadParameter("Give either --entity or --features.")
    if features:
        outputs, parameters = predict_inputs(serving, spec, read_tensors(features))
    else:
        outputs, parameters = predict_entity(serving, spec, entity, at or datetime.now(UTC).isoformat())
    horizons = served_horizons(serving, spec)
    rows = range(len(next(iter(outputs.values()))))
    answers = [present(spec, outputs, row, parameters, horizons) for row in rows]
    for answer in answers:
        if entity:
            answer = {"security_id": entity, **answer}
        if as_json:
            print_json(answer)
        else:
            show(answer)


def read_tensors(path: Path) -> dict[str, Any]:
    """Read ``{"tensor": nested lists}`` from a JSON file.

    Raises
    ------
    InvalidRequest
        If the file is missing, is no JSON object, or a tensor is ragged.
    """
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
        return {name: np.asarray(value) for name, value in raw.items()}
    except (OSError, json.JSONDecodeError, AttributeError, ValueError) as error:
        raise InvalidRequest(f"{path}: {error}", 'Give a JSON object like {"features": [[...]]}.') from error


def present(
    spec: ModelSpec, outputs: dict[str, Any], row: int, parameters: dict[str, Any], horizons: tuple[str, ...]
) -> dict[str, Any]:
    """Return one row in the model's own document shape, or its outputs as they are, with what every answer carries."""
    cls = spec.load_model_class()
    maker = getattr(cls, "present", None)
    body = (
        maker(outputs, row, horizons) if maker else {name: np.asarray(v)[row].tolist() for name, v in outputs.items()}
    )
    kept = {k: parameters[k] for k in ("model_version", "generated_at", "feature_timestamps") if k in parameters}
    # A V2 parameter is a scalar, so the server joins the disclaimers; here they are sentences again.
    told = [sentence for sentence in spec.disclaimers if sentence in parameters.get("disclaimers", "")]
    return {**body, **kept, "disclaimers": told}


def show(answer: dict[str, Any]) -> None:
    """Print an answer for a person."""
    horizons = answer.get("predictions", {})
    if horizons:
        title = f"{answer.get('security_id', '')} at {answer.get('current_price', '')}"
        table = Table(title=title, title_justify="left")
        for heading in ("horizon", "price", "interval", "direction", "confidence"):
            table.add_column(heading)
        for horizon, p in horizons.items():
            low, high = p["confidence_interval"]
            table.add_row(
                horizon, f"{p['price']:,.2f}", f"{low:,.2f} to {high:,.2f}", p["direction"], f"{p['confidence']:.2f}"
            )
        out.print(table)
    for key, value in answer.items():
        if key not in ("predictions", "disclaimers"):
            out.print(f"{key}: {json.dumps(value)}")
    for sentence in answer.get("disclaimers", []):
        out.print(f"[dim]{sentence}[/dim]")
