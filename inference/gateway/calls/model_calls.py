"""ModelCalls: the one way from the gateway to the models, for the product API and for raw V2 clients alike."""

from __future__ import annotations

import math
from collections.abc import Awaitable, Mapping
from typing import TYPE_CHECKING

from components.errors import UnknownModel
from inference.gateway.calls.metrics import CallMetrics
from inference.gateway.problems import ModelBusy, ModelDown, ModelSlow, Unanswered
from inference.gateway.table import Entry, ModelTable
from inference.gateway.upstreams import Upstream, Upstreams
from inference.router.backend import Headers, Response

if TYPE_CHECKING:
    from inference.gateway.metrics import GatewayMetrics


class ModelCalls:
    """Asks models, each through lanes of its own.

    Parameters
    ----------
    table : ModelTable
        The models.
    metrics : GatewayMetrics
        Of the process; one :class:`ModelCalls` per registry.

    Attributes
    ----------
    upstreams : Upstreams
        The models' lanes.
    """

    def __init__(self, table: ModelTable, metrics: GatewayMetrics) -> None:
        self.table, self.metrics = table, CallMetrics(metrics.registry)
        self.upstreams = Upstreams(table.entries, self.metrics)

    async def infer(self, model: str, headers: Headers, body: bytes) -> Response:
        """Ask for predictions; sent once more where no answer had begun.

        Raises
        ------
        UnknownModel
            If the model is not in the models file.
        ModelBusy, ModelSlow, ModelDown, BreakerOpen
            Without an answer; an answer of any status is returned. :func:`unanswered` tells which of those are none.
        """
        return await self._counted(model, self._find(model).ask("POST", f"/v2/models/{model}/infer", headers, body))

    async def explain(self, model: str, headers: Headers, body: bytes) -> Response:
        """Ask for an explanation; sent once only, beside the predictions and not among them.

        Raises
        ------
        UnknownModel
            If the model is not in the models file.
        ModelBusy, ModelSlow, ModelDown, BreakerOpen
            Without an answer.
        """
        return await self._counted(model, self._find(model).ask("POST", f"/v1/models/{model}:explain", headers, body))

    async def get(self, model: str, path: str, headers: Headers | None = None) -> Response:
        """Ask for metadata or readiness, also of a model whose breaker is open.

        Raises
        ------
        UnknownModel
            If the model is not in the models file.
        ModelBusy, ModelSlow, ModelDown
            Without an answer.
        """
        return await self._find(model).ask("GET", path, headers or [], b"")

    async def ask(self, upstream: Upstream, method: str, target: str, headers: Headers, body: bytes) -> Response:
        """Pass on a request of a raw V2 client, to a model that was found before its body was read."""
        return await self._counted(upstream.name, upstream.ask(method, target, headers, body))

    def update(self, entries: Mapping[str, Entry]) -> None:
        """Follow a changed models file; unchanged models keep their connections and what is known of them."""
        self.upstreams.update(entries)

    def in_flight(self) -> dict[str, int]:
        """Return the number of requests under way by model."""
        return self.upstreams.in_flight()

    def close(self) -> None:
        """Close idle connections; requests under way finish."""
        self.upstreams.update({})

    def _find(self, model: str) -> Upstream:
        try:
            return self.upstreams[model]
        except KeyError:
            self.table.find(model)
            raise UnknownModel(f"There is no model {model!r:.80} here yet.", "Ask again in a second.") from None

    async def _counted(self, model: str, asking: Awaitable[Response]) -> Response:
        try:
            return await asking
        except Unanswered as error:
            self.metrics.count(model, error)
            raise


def unanswered(model: str, response: Response) -> Unanswered | None:
    """Return the error that an answer of a model stands for, where it answers nothing: 429, 502, 503 and 504.

    Its ``Retry-After`` is kept.

    Examples
    --------
    >>> unanswered("tiny", Response(503, [(b"retry-after", b"7")])).retry_after_s
    7.0
    >>> unanswered("tiny", Response(400)) is None
    True
    """
    kinds: dict[int, type[Unanswered]] = {429: ModelBusy, 502: ModelDown, 503: ModelDown, 504: ModelSlow}
    kind = kinds.get(response.status)
    if kind is None:
        return None
    error = kind(f"Model {model!r} cannot answer now (status {response.status}).", "Send the request again later.")
    error.retry_after_s = _seconds(response.headers) or error.retry_after_s
    return error


def _seconds(headers: Headers) -> float | None:
    """Return ``Retry-After`` in seconds; None where there is none, or a date."""
    told = next((value for name, value in headers if name == b"retry-after"), b"")
    text = told.decode("latin-1").strip()
    if not text.isascii() or not text.replace(".", "", 1).isdigit():
        return None
    return min(float(text), 3600.0) if math.isfinite(float(text)) else None
