"""The fast route: inference requests are taken out of the HTTP parser, below ASGI; everything else goes to kserve's
app.

A subclass of uvicorn's httptools protocol. For ``POST /v2/models/{name}[/versions/{version}]/infer`` it builds no scope
and no task: the parser's callbacks fill an :class:`~inference.http_call.HttpCall`, which goes to the data plane and
comes back as one ``write``. Order on a pipelined connection, keep-alive, ``Expect: 100-continue`` and graceful stop are
uvicorn's own, because an HttpCall looks like its request cycle.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any
from urllib.parse import unquote

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from inference.dataplane import TRACK_HEADER, DataPlane
from inference.http_call import HttpCall, too_large

Route = tuple[str, str]
TRACK = TRACK_HEADER.encode()
LINGER_S = 2.0
IDLE_GRACE_S = 0.5
LARGE = 65536


def parse_route(url: bytes) -> Route | None:
    """Return (model, version) of an inference URL, None for any other.

    Examples
    --------
    >>> parse_route(b"/v2/models/price_forecast/versions/3/infer")
    ('price_forecast', '3')
    >>> parse_route(b"/v2/models/price_forecast") is None
    True
    """
    parts = url.split(b"?", 1)[0].split(b"/")
    if parts[:3] != [b"", b"v2", b"models"] or parts[-1] != b"infer":
        return None
    if len(parts) == 5 and parts[3]:
        return unquote(parts[3].decode("latin-1")), ""
    if len(parts) == 7 and parts[3] and parts[4] == b"versions" and parts[5]:
        return unquote(parts[3].decode("latin-1")), unquote(parts[5].decode("latin-1"))
    return None


def fast_protocol(plane: DataPlane, max_body: int, base: type[FastProtocol] | None = None) -> type[HttpToolsProtocol]:
    """Return the protocol class of a server.

    Parameters
    ----------
    plane : DataPlane
        Answers the inference requests.
    max_body : int
        Largest body in bytes; larger ones get 413.
    base : type or None
        A protocol that does more than :class:`FastProtocol`.
    """
    return type("FastProtocol", (base or FastProtocol,), {"plane": plane, "max_body": max_body, "routes": {}})


class FastProtocol(HttpToolsProtocol):
    """See the module; made by :func:`fast_protocol`."""

    plane: DataPlane
    max_body: int
    routes: dict[bytes, Route | None]
    new_call: Callable[..., HttpCall] = HttpCall
    fast: HttpCall | None = None
    idle_since = 0.0
    _dates: tuple[object, bytes] = (None, b"")

    def on_message_begin(self) -> None:
        """Start a request; the ASGI scope is built only if it turns out not to be an inference."""
        self.url = b""
        self.headers = []
        self.expect_100_continue = False
        self.fast = None

    def on_headers_complete(self) -> None:
        """Choose the route."""
        if self.parser.get_method() == b"POST":
            url = self.url
            try:
                route = self.routes[url]
            except KeyError:
                route = parse_route(url)
                if len(self.routes) < 1024:
                    self.routes[url] = route
            if route is not None:
                self._begin_fast(route)
                return
        url, headers, expect = self.url, self.headers, self.expect_100_continue
        super().on_message_begin()
        self.url, self.headers, self.expect_100_continue = url, headers, expect
        self.scope["headers"] = headers
        super().on_headers_complete()

    def _begin_fast(self, route: Route) -> None:
        call = self.new_call(route[0], route[1], self._send, self.max_body)
        for name, value in self.headers:
            if name == b"content-length":
                if int(value) > self.max_body:
                    call.size = int(value)
            elif name == b"inference-header-content-length":
                call.header_length = value
            elif name == b"ce-id":
                call.ce_id = value.decode("latin-1")
            elif name == TRACK:
                call.forced = True
            elif name == b"content-encoding" and value != b"identity":
                call.encoding = value.lower()
            elif name == b"x-request-id":
                call.request_id = value
        call.keep_alive = self.parser.should_keep_alive() and self.parser.get_http_version() != "1.0"
        if self.expect_100_continue and not call.size:
            self.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        before, self.cycle, self.fast = self.cycle, call, call  # type: ignore[assignment]
        if before is None or before.response_complete:
            call.submitted = True
            if call.size:
                self._refuse_large(call)
        else:
            # Pipelined behind another request: uvicorn's queue keeps the order.
            self.flow.pause_reading()
            self.pipeline.appendleft((call, self.app))  # type: ignore[arg-type]

    def on_body(self, body: bytes) -> None:
        """Collect the body."""
        call = self.fast
        if call is None:
            super().on_body(body)
            return
        if call.size > self.max_body:
            return  # refused or about to be: read and forget
        call.size += len(body)
        if call.size > self.max_body:
            call.parts.clear()
            if call.submitted:
                self._refuse_large(call)
            return
        call.parts.append(body)

    def on_message_complete(self) -> None:
        """Submit the call, unless it waits behind another one."""
        call = self.fast
        if call is None:
            super().on_message_complete()
            return
        self.fast = None
        call.more_body = False
        if call.response_complete:
            self.transport.close()  # refused before its body had been read
        elif call.submitted:
            call.started = time.perf_counter()
            self.plane.submit(call)

    def _start_asgi_task(self, cycle: Any, app: Any) -> None:
        """Start the next request of a pipeline, of either kind."""
        if not isinstance(cycle, HttpCall):
            super()._start_asgi_task(cycle, app)
            return
        cycle.submitted = True
        if cycle.size > self.max_body:
            self._refuse_large(cycle)
        elif not cycle.more_body:
            cycle.started = time.perf_counter()
            self.plane.submit(cycle)

    def _refuse_large(self, call: HttpCall) -> None:
        """Answer 413, then read on for a moment: closing at once would reset the connection under the answer."""
        call.keep_alive = False
        call.started = time.perf_counter()
        error = too_large(call.size, self.max_body)
        self.plane.count_refusal(call, error, call.refuse(error))

    def _send(self, call: HttpCall, head: bytes, content: bytes) -> None:
        """Write a response and make the connection ready for its next request."""
        transport = self.transport
        if call.disconnected or transport.is_closing():
            call.response_complete = True
            return
        defaults = self.server_state.default_headers
        dates = self._dates
        if dates[0] is not defaults:
            lines = b"".join(b"%b: %b\r\n" % pair for pair in defaults if pair[0] == b"date")
            dates = type(self)._dates = (defaults, lines)
        close = not call.keep_alive or self.plane.draining
        tail = b"connection: close\r\n\r\n" if close else b"\r\n"
        if len(content) < LARGE:
            transport.write(b"%b%d\r\n%b%b%b" % (head, len(content), dates[1], tail, content))
        else:
            transport.writelines([b"%b%d\r\n%b%b" % (head, len(content), dates[1], tail), content])
        call.response_complete = True
        self.server_state.total_requests += 1
        if close:
            if call.more_body:
                self.loop.call_later(LINGER_S, transport.close)
            else:
                transport.close()
        elif self.pipeline:
            self.flow.resume_reading()
            cycle, app = self.pipeline.pop()
            self._start_asgi_task(cycle, app)  # type: ignore[arg-type]
        else:
            self._arm_keep_alive()

    def _arm_keep_alive(self) -> None:
        """Note when the connection fell idle; one timer per connection re-arms itself instead of one per request."""
        self.idle_since = self.loop.time()
        if self.timeout_keep_alive_task is None:
            self.timeout_keep_alive_task = self.loop.call_later(
                self.timeout_keep_alive, self.timeout_keep_alive_handler
            )

    def _unset_keepalive_if_required(self) -> None:
        """Leave the timer: :meth:`timeout_keep_alive_handler` looks whether the connection is idle."""

    def timeout_keep_alive_handler(self) -> None:
        """Close the connection if it has been idle for long enough, else look again later."""
        self.timeout_keep_alive_task = None
        if self.transport.is_closing():
            return
        busy = self.fast is not None or (self.cycle is not None and not self.cycle.response_complete)
        left = self.idle_since + self.timeout_keep_alive - self.loop.time()
        if busy or left > 0.01:
            wait = self.timeout_keep_alive if busy else left
            self.timeout_keep_alive_task = self.loop.call_later(wait, self.timeout_keep_alive_handler)
        else:
            self.transport.close()

    def shutdown(self) -> None:
        """Close after the request under way; an idle connection gets a moment for one that is on the wire."""
        if self.cycle is None or self.cycle.response_complete:
            self.loop.call_later(IDLE_GRACE_S, self._close_if_idle)
        else:
            self.cycle.keep_alive = False

    def _close_if_idle(self) -> None:
        if self.fast is None and (self.cycle is None or self.cycle.response_complete):
            self.transport.close()
        elif self.cycle is not None:
            self.cycle.keep_alive = False

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection; calls under way are finished and logged, but not sent."""
        if self.timeout_keep_alive_task is not None:
            self.timeout_keep_alive_task.cancel()
            self.timeout_keep_alive_task = None
        super().connection_lost(exc)

    def on_response_complete(self) -> None:
        """After an ASGI response: go on with the pipeline, or wait for the next request."""
        self.server_state.total_requests += 1
        if self.transport.is_closing():
            return
        self.flow.resume_reading()
        if self.pipeline:
            cycle, app = self.pipeline.pop()
            self._start_asgi_task(cycle, app)
        else:
            self._arm_keep_alive()
