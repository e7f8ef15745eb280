"""The documents' prediction routes: in OpenAPI like any other, but answered without FastAPI's machinery per request.

FastAPI resolves dependencies and validates the answer anew for each request, which costs more than the whole way
through our cache. These routes declare themselves to it, and replace the ASGI application that it would run.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs

import orjson
from fastapi import APIRouter, FastAPI
from fastapi.routing import APIRoute
from pydantic import BaseModel

from components.errors import InvalidRequest
from inference.gateway.bodies import Receive, Scope
from inference.gateway.caller import Caller, check, may
from inference.gateway.door import Send, read_whole, send_json
from inference.gateway.envelope import Envelope
from inference.gateway.product.products import Offer, Products
from inference.gateway.product.question import Asked
from inference.gateway.product.service import PredictionService

TAG = "predictions"


class PredictionRoute(APIRoute):
    """One route of one model."""

    def __init__(self, path: str, endpoint: Callable[..., Any], **kwargs: Any) -> None:
        super().__init__(path, endpoint, **kwargs)
        self.app = endpoint.__dict__["asgi"]


def prediction_routes(app: FastAPI) -> dict[tuple[str, str], PredictionRoute]:
    """Return the prediction routes of an application by method and path, for the door to ask directly."""
    found = [route for route in app.routes if isinstance(route, PredictionRoute)]
    return {(method, route.path): route for route in found for method in route.methods or ()}


def asked_of(scope: Scope, route: str) -> Asked:
    """Return the circumstances of a request, as the door noted them."""
    state = scope["state"]
    return Asked(state["caller"], route, state["request_id"], state["began"], state["trace_id"], state["onward"], state)


def parse_json(body: bytes) -> Any:
    """Return a request's JSON.

    Raises
    ------
    InvalidRequest
        If it is none.
    """
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise InvalidRequest(f"the body is not JSON ({error})", "Send application/json.", "body") from error


def parse_query(raw: bytes, request: type[BaseModel]) -> dict[str, Any]:
    """Return a GET route's parameters: lists where the request's field is one, the last value elsewhere."""
    found = parse_qs(raw.decode("latin-1"), keep_blank_values=True)
    lists = {name for name, field in request.model_fields.items() if "list" in str(field.annotation)}
    return {name: values if name in lists else values[-1] for name, values in found.items()}


def add_prediction_routes(router: APIRouter, products: Products, service: PredictionService) -> None:
    """Add the routes of every model to the application's own router: an included one would wrap them anew."""
    for (method, path), offer in products.by_route.items():
        router.add_api_route(
            path,
            _endpoint(offer, method, path, service),
            methods=[method],
            tags=[TAG],
            summary=offer.spec.title,
            description=offer.spec.summary,
            response_model=Envelope[offer.product.response],  # type: ignore[name-defined]
            operation_id=f"{method.lower()}_{path.strip('/').replace('/', '_').replace('-', '_')}",
            route_class_override=PredictionRoute,
        )


def _endpoint(offer: Offer, method: str, path: str, service: PredictionService) -> Callable[..., Any]:
    async def asgi(scope: Scope, receive: Receive, send: Send) -> None:
        asked = asked_of(scope, path)
        check(asked.caller, "predict")
        scope["state"]["model"] = offer.name
        if method == "GET":
            payload: Any = offer.read(parse_query(scope["query_string"], offer.product.request), strict=False)
        else:
            payload = parse_json(await read_whole(receive))
        answer = await service.answer(offer, payload, asked)
        scope["state"]["version"] = answer.version
        await send_json(send, 200, answer.body)

    declared = _declaration(offer, method)
    declared.__dict__["asgi"] = asgi
    return declared


def _declaration(offer: Offer, method: str) -> Callable[..., Any]:
    """Return a function whose signature tells FastAPI what the route takes; the route runs ``asgi`` in its stead."""
    request = offer.product.request
    if method == "GET":
        from typing import Annotated

        from fastapi import Query

        request = Annotated[request, Query()]  # type: ignore[assignment]

    def declared(payload, caller=may("predict")):  # type: ignore[no-untyped-def]
        raise AssertionError("the route's asgi attribute answers")

    declared.__annotations__ = {"payload": request, "caller": Caller}
    declared.__name__ = f"ask_{offer.name}"
    return declared
