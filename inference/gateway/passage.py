"""The part of the gateway that passes requests on to models: ASGI, mounted at the root of the application.

A client's path is never handed on. It is matched against the four forms there are, and the model's path is built anew
from the name in the models file, so nothing that a server offers beside them can be reached through here.
"""

from __future__ import annotations

import re
import time
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass
from typing import Any

import orjson

from components.errors import ArthaflowError
from inference.gateway.bodies import Bodies, Receive, Scope
from inference.gateway.caller import Caller, check
from inference.gateway.calls.deadline import asked_for, within
from inference.gateway.calls.model_calls import ModelCalls
from inference.gateway.headers import REQUEST_ID, request_id, to_client, to_model
from inference.gateway.metrics import GatewayMetrics
from inference.gateway.problems import NoSuchRoute, WrongMethod, answer
from inference.gateway.table import ModelTable
from inference.gateway.v2_log import V2Log
from inference.router.backend import Response

Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

_NAME = r"(?P<model>[^/:%]{1,100})"
_FORMS = (
    (re.compile(rf"/v2/models/{_NAME}/infer"), "POST", "/v2/models/{}/infer"),
    (re.compile(rf"/v1/models/{_NAME}:explain"), "POST", "/v1/models/{}:explain"),
    (re.compile(rf"/v2/models/{_NAME}/ready"), "GET", "/v2/models/{}/ready"),
    (re.compile(rf"/v2/models/{_NAME}"), "GET", "/v2/models/{}"),
)
LIST = "/v2/models"
OFFERED = (
    "GET /v2/models, GET /v2/models/<model>[/ready], POST /v2/models/<model>/infer, POST /v1/models/<model>:explain"
)


@dataclass(frozen=True)
class Target:
    """What a request asks for: a model, and the path of it that is passed on."""

    model: str
    path: str

    @property
    def explains(self) -> bool:
        """Whether it asks for an explanation."""
        return self.path.endswith(":explain")

    @property
    def infers(self) -> bool:
        """Whether it asks for predictions."""
        return self.path.endswith("/infer")


def match(method: str, path: str) -> Target:
    """Return what a request asks for.

    Examples
    --------
    >>> match("POST", "/v2/models/tiny/infer")
    Target(model='tiny', path='/v2/models/tiny/infer')

    Raises
    ------
    NoSuchRoute, WrongMethod
        For anything that is not passed on.
    """
    for form, allowed, template in _FORMS:
        found = form.fullmatch(path)
        if found is None:
            continue
        if method != allowed:
            raise WrongMethod(method, path, allowed)
        return Target(found["model"], template.format(found["model"]))
    raise NoSuchRoute(f"There is nothing at {path!r:.200}.", f"The gateway offers {OFFERED}.")


def check_raw(caller: Caller, method: str, path: str) -> None:
    """Refuse a caller without the scope of a V2 endpoint; who may predict may read what a model takes, too.

    Raises
    ------
    Forbidden
        With the scope that is missing.
    """
    if method == "POST":
        check(caller, "explain" if path.endswith(":explain") else "predict")
    elif "predict" not in caller.scopes:
        check(caller, "models:read")


class Passage:
    """ASGI application.

    Parameters
    ----------
    table : ModelTable
        The models.
    metrics : GatewayMetrics
        Counts every answer.
    max_body : int
        Largest request body, bytes.
    max_held : int
        Bodies of all requests under way together, bytes.
    body_timeout_s : float
        Longest time in which a client sends its body.
    forward_token : bool
        Whether a client's ``Authorization`` goes along to the model.
    calls : ModelCalls or None
        The way to the models, which the product API shares; None makes one.
    log : V2Log or None
        Where predictions are logged before they are passed back.

    Attributes
    ----------
    draining : bool
        Every answer asks its client to close the connection.
    """

    def __init__(
        self,
        table: ModelTable,
        metrics: GatewayMetrics,
        *,
        max_body: int = 32 * 2**20,
        max_held: int = 96 * 2**20,
        body_timeout_s: float = 30.0,
        forward_token: bool = False,
        calls: ModelCalls | None = None,
        log: V2Log | None = None,
    ) -> None:
        self.table, self.metrics = table, metrics
        self.forward_token = forward_token
        self.bodies = Bodies(max_body, max_held, body_timeout_s)
        self.calls = calls or ModelCalls(table, metrics)
        self.upstreams = self.calls.upstreams
        self.log = log
        self.draining = False

    def refresh(self) -> bool:
        """Follow the models file; return whether the models changed."""
        changed = self.table.refresh()
        if changed:
            self.calls.update(self.table.entries)
        self.metrics.valid.set(self.table.valid)
        return changed

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one HTTP request."""
        noted = scope.get("state") or {}
        identity = str(noted["request_id"]).encode() if "request_id" in noted else request_id(scope["headers"])
        began, target = time.perf_counter(), None
        try:
            if scope["path"] == LIST:
                response = self._list(scope["method"])
            else:
                target = match(scope["method"], scope["path"])
                entry = self.table.find(target.model)
                if target.explains and not entry.explains:
                    raise NoSuchRoute(f"Model {target.model!r} has no explainer.", "Ask it for predictions.")
                response = await self._pass_on(target, scope, receive, identity)
        except ArthaflowError as error:
            response = answer(error)
        self._count(target, response.status, time.perf_counter() - began)
        await self._reply(send, response, identity)

    def _list(self, method: str) -> Response:
        if method != "GET":
            raise WrongMethod(method, LIST, "GET")
        body = orjson.dumps({"models": sorted(self.table.entries)})
        return Response(200, [(b"content-type", b"application/json")], body)

    async def _pass_on(self, target: Target, scope: Scope, receive: Receive, identity: bytes) -> Response:
        upstream = self.upstreams[target.model]  # before the first await: the models file may change meanwhile
        headers = to_model(scope["headers"], identity, self.forward_token)
        async with self.bodies.read(scope, receive) as body:
            scope.get("state", {})["input_bytes"] = len(body)
            with within(asked_for(scope["headers"])):
                found = await self.calls.ask(upstream, scope["method"], target.path, headers, body)
            if self.log is not None and found.status == 200 and target.infers:
                state = scope["state"]
                state["model"] = target.model
                state["version"] = await self.log.write(target.model, headers, body, found, state)
        return Response(found.status, to_client(found.headers), found.body)

    def _count(self, target: Target | None, status: int, seconds: float) -> None:
        if target is None or target.model not in self.table.entries:
            self.metrics.refused(status)
        else:
            self.metrics.observe(target.model, status, seconds, target.explains)

    async def _reply(self, send: Send, response: Response, identity: bytes) -> None:
        headers = [*response.headers, (REQUEST_ID, identity), (b"content-length", b"%d" % len(response.body))]
        if self.draining and (b"connection", b"close") not in headers:
            headers.append((b"connection", b"close"))
        await send({"type": "http.response.start", "status": response.status, "headers": headers})
        await send({"type": "http.response.body", "body": response.body})
