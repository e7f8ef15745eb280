"""The endpoint table in ``docs/api.md``: the documents' rows beside what answers them, from the routes themselves."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from inference.gateway.description import describe
from inference.gateway.product.documents import ENDPOINTS
from inference.gateway.product.products import Products

BEGIN, END = "<!-- endpoints: begin -->", "<!-- endpoints: end -->"
NAMES = {0: "document 0", 1: "document 1", 3: "document 3"}


def table() -> str:
    """Return the table of the documents' endpoints and, below it, that of ours beside them."""
    paths = described()
    models = Products().by_route
    lines = ["| document | endpoint | purpose | scope | answered by |", "|---|---|---|---|---|"]
    listed = set()
    for endpoint in ENDPOINTS:
        listed.add((endpoint.method, endpoint.path))
        operation = paths.get((endpoint.method, endpoint.path))
        offer = models.get((endpoint.method, endpoint.path))
        answered = f"`{offer.name}`" if offer else "the gateway" if operation else "404 until a model declares it"
        scope = scope_of(operation) if operation else "`predict`"
        cells = (NAMES[endpoint.document], f"`{endpoint.method} {endpoint.path}`", endpoint.purpose, scope, answered)
        lines.append(f"| {' | '.join(cells)} |")
    lines += [
        "",
        "Beside them, for what the documents leave open:",
        "",
        "| endpoint | purpose | scope |",
        "|---|---|---|",
    ]
    for (method, path), operation in sorted(paths.items(), key=lambda item: (item[0][1], item[0][0])):
        if (method, path) not in listed:
            lines.append(f"| `{method} {path}` | {operation.get('summary', '')} | {scope_of(operation)} |")
    return "\n".join(lines)


def described() -> dict[tuple[str, str], dict[str, Any]]:
    """Return every operation of the OpenAPI document by method and path."""
    found = {}
    for path, operations in describe()["paths"].items():
        for method, operation in operations.items():
            found[method.upper(), plain(path)] = operation
    return found


def plain(path: str) -> str:
    """Return a path with its first parameter written as the documents write it.

    Examples
    --------
    >>> plain("/api/v1/ml/models/{model_id}/deploy")
    '/api/v1/ml/models/{id}/deploy'
    """
    return re.sub(r"\{[^}]+\}", "{id}", path, count=1)


def scope_of(operation: dict[str, Any]) -> str:
    """Return the scope that an operation asks for, or that it is public."""
    scopes = [scope for entry in operation.get("security", ()) for value in entry.values() for scope in value]
    return ", ".join(f"`{scope}`" for scope in scopes) or "public"


def write_api_table(path: Path) -> Path:
    """Replace the block between the markers of ``docs/api.md``.

    Raises
    ------
    ValueError
        If a marker is missing.
    """
    before, begin, rest = path.read_text(encoding="utf-8").partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"{path} has no block between {BEGIN!r} and {END!r}")
    path.write_text(f"{before}{BEGIN}\n\n{table()}\n\n{END}{after}", encoding="utf-8")
    return path
