"""The HTTP routes that replace kserve's: readiness that means something, metadata with the real schema, a closed
repository."""

from __future__ import annotations

from typing import Any

import orjson
from fastapi import APIRouter, FastAPI, Request, Response

from components.errors import ArthaflowError, InvalidRequest
from inference.admin import Admin
from inference.dataplane import DataPlane
from inference.http_call import error_json


def register_routes(app: FastAPI, plane: DataPlane, admin: Admin) -> None:
    """Add the routes to kserve's app; call before kserve adds its own, because the first match wins."""
    router = APIRouter()

    async def server_ready() -> Response:
        ready = bool(plane.models) and all(plane.is_ready(name) for name in plane.models)
        return _json({"ready": ready}, 200 if ready else 503)

    async def model_ready(name: str, version: str = "") -> Response:
        try:
            plane.find(name, version)
        except ArthaflowError as error:
            if error.status == 404:
                return _error(error)
        ready = plane.is_ready(name)
        return _json({"name": name, "ready": ready}, 200 if ready else 503)

    async def metadata(name: str, version: str = "") -> Response:
        try:
            return _json(plane.find(name, version).metadata())
        except ArthaflowError as error:
            return _error(error)

    async def load(name: str, request: Request) -> Response:
        try:
            parameters = _parameters(await request.body()) if admin.is_open else {}
            return _json({"name": name, "load": True, "version": await admin.load(name, parameters)})
        except ArthaflowError as error:
            return _error(error)

    async def unload(name: str) -> Response:
        try:
            admin.unload(name)
            return _json({"name": name, "unload": True})
        except ArthaflowError as error:
            return _error(error)

    router.add_api_route("/v2/health/ready", server_ready, methods=["GET"])
    for path in ("/v2/models/{name}", "/v2/models/{name}/versions/{version}"):
        router.add_api_route(path, metadata, methods=["GET"])
        router.add_api_route(f"{path}/ready", model_ready, methods=["GET"])
    router.add_api_route("/v2/repository/models/{name}/load", load, methods=["POST"])
    router.add_api_route("/v2/repository/models/{name}/unload", unload, methods=["POST"])
    app.include_router(router)


def _parameters(body: bytes) -> Any:
    if not body:
        return {}
    try:
        message = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise InvalidRequest(f"malformed JSON ({error})", 'Send {"parameters": {...}}.', path="body") from error
    if not isinstance(message, dict):
        raise InvalidRequest("the body is not a JSON object", 'Send {"parameters": {...}}.', path="body")
    return message.get("parameters") or {}


def _json(value: Any, status: int = 200) -> Response:
    return Response(orjson.dumps(value), status, media_type="application/json")


def _error(error: ArthaflowError) -> Response:
    return Response(error_json(error), error.status, media_type="application/json")
