"""``arthaflow ask``: a question in the product's own terms, through the product API of this machine."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from components.catalog import catalogue, get_product, get_spec
from components.errors import InvalidRequest, ModelUnavailable
from components.models.product import ProductSpec
from components.settings import settings
from pipelines.cli.console import err, print_json


def ask(
    model: Annotated[str, typer.Argument(help="A model that is being served, see `arthaflow serve`.")],
    request: Annotated[str, typer.Argument(help="A JSON file with the request; `-` for standard input.")] = "",
    example: Annotated[bool, typer.Option("--example", help="Ask the document's example request.")] = False,
    show: Annotated[bool, typer.Option("--show", help="Print the example request, and ask nothing.")] = False,
) -> None:
    """Ask a model as an application does, and print the whole answer as JSON.

    Example: [bold]arthaflow ask risk_assessment --show > mine.json; arthaflow ask risk_assessment mine.json[/bold]
    """
    from pipelines.product import ProductClient

    spec = get_spec(model)
    product = product_of(spec.name)
    if show:
        print_json(first_example(product))
        return
    if bool(request) == example:
        raise typer.BadParameter("Give either a JSON file or --example; --show prints the example.")
    body = first_example(product) if example else read_request(request)
    client = ProductClient(gateway_url(spec.name), settings().root)
    if example:
        err.print(f"POST {product.routes[0].path}", style="dim")
    told = client.post(product.routes[0].path, body)
    print_json(told)
    for sentence in told.get("metadata", {}).get("disclaimers", []):
        err.print(sentence, style="dim")


def product_of(model: str) -> ProductSpec:
    """Return how applications ask a model.

    Raises
    ------
    InvalidRequest
        If its folder declares no product; the models that can be asked are listed.
    """
    product = get_product(model)
    if product is None:
        known = ", ".join(name for name in catalogue() if get_product(name) is not None)
        raise InvalidRequest(f"Applications cannot ask {model!r}: it has no product.py.", f"Ask one of: {known}.")
    return product


def gateway_url(model: str) -> str:
    """Return where the product API of this home listens.

    Raises
    ------
    ModelUnavailable
        If it does not run.
    """
    from inference.local import LocalServing
    from inference.local.gateway import GATEWAY

    serving = LocalServing(settings().root)
    found = next((endpoint for endpoint in serving.running() if endpoint.key == GATEWAY), None)
    if found is None:
        raise ModelUnavailable(
            f"No product API runs below {serving.home}.", f"Start it: `arthaflow serve {model} --detach`."
        )
    return found.url


def first_example(product: ProductSpec) -> dict[str, Any]:
    """Return the request's first example."""
    extra: Any = product.request.model_config["json_schema_extra"]
    return dict(extra["examples"][0])


def read_request(path: str) -> Any:
    """Read a JSON object from a file, or from standard input.

    Raises
    ------
    InvalidRequest
        If it is missing, or no JSON.
    """
    try:
        return json.loads(sys.stdin.read() if path == "-" else Path(path).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise InvalidRequest(
            f"{path}: {error}", "Give a file with one JSON object; --show prints an example."
        ) from error
