"""Routes whose bodies are read as JSON's standard has it (RFC 8259), before anything else looks at them.

Python's own parser takes NaN, half a surrogate pair and whole numbers of any length, none of which a database or
another program can keep. orjson refuses the first two, and reads a longer number as the float that it is nearest to.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import orjson
from fastapi import Request, Response
from fastapi.routing import APIRoute

CONTENT_TYPE = b"content-type"
JSON = (CONTENT_TYPE, b"application/json")
"""What a body is here, whatever a client calls it: curl calls it a form unless it is told otherwise."""


class JsonRequest(Request):
    """A request whose body orjson reads."""

    async def json(self) -> Any:
        """Return the body.

        Raises
        ------
        json.JSONDecodeError
            If it is no JSON; FastAPI makes a refusal of it.
        """
        if not hasattr(self, "_json"):
            self._json = orjson.loads(await self.body())
        return self._json


class JsonRoute(APIRoute):
    """A route that hands a :class:`JsonRequest` to FastAPI."""

    def get_route_handler(self) -> Callable[[Request], Any]:
        """Return the handler of a request."""
        handle: Callable[[Request], Awaitable[Response]] = super().get_route_handler()

        async def read(request: Request) -> Response:
            scope = request.scope
            scope["headers"] = [header for header in scope["headers"] if header[0] != CONTENT_TYPE] + [JSON]
            return await handle(JsonRequest(scope, request.receive))

        return read
