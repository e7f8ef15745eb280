"""The OpenAPI document of the product API, without a running gateway."""

from __future__ import annotations

from typing import Any, cast

from inference.gateway.app import build_app
from inference.gateway.passage import Passage
from inference.gateway.product.products import Products
from inference.gateway.services import Services


class _Nothing:
    """Stands for what only a running gateway has; nothing of it is touched while routes are described."""

    products: Products


def describe() -> dict[str, Any]:
    """Return the OpenAPI document of every route, the models' of the catalogue among them."""
    nothing: Any = _Nothing()
    nothing.products, nothing.predictions = Products(), None
    found: dict[str, Any] = build_app(cast(Services, nothing), cast(Passage, nothing)).openapi()
    return found
