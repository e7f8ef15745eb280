"""The models as the gateway reaches them: each with lanes of its own, so that a slow one delays no other."""

from __future__ import annotations

from collections.abc import Mapping

from inference.gateway.calls.lane import Lane, LaneRules
from inference.gateway.calls.metrics import CallMetrics
from inference.gateway.table import Entry
from inference.router.backend import Backend, Headers, Response

METADATA = LaneRules(timeout_s=10.0, limit=16, line=16, idempotent=True, guarded=False)


class Upstream:
    """One model: predictions, explanations and metadata, none of which waits for another.

    Parameters
    ----------
    name : str
        Of the model.
    entry : Entry
        Its line of the models file.
    metrics : CallMetrics
    """

    def __init__(self, name: str, entry: Entry, metrics: CallMetrics) -> None:
        self.name, self.entry = name, entry
        retried = metrics.retries.labels(name).inc
        explain_url = entry.explain_url or entry.url
        explain_host = entry.explain_host if entry.explain_url else entry.host
        most, explanations = entry.max_in_flight, entry.explain_max_in_flight
        self.predictions = Lane(
            f"Model {name!r}",
            Backend("", "", entry.url, 1, entry.host),
            LaneRules(entry.timeout_s, most, most, idempotent=True),
            retried,
        )
        self.explanations = Lane(
            f"The explainer of model {name!r}",
            Backend("", "", explain_url, 1, explain_host),
            LaneRules(entry.explain_timeout_s, explanations, explanations),
            retried,
        )
        self.metadata = Lane(f"Model {name!r}", Backend("", "", entry.url, 1, entry.host), METADATA, retried)

    @property
    def lanes(self) -> tuple[Lane, Lane, Lane]:
        """All three."""
        return self.predictions, self.explanations, self.metadata

    @property
    def in_flight(self) -> int:
        """Requests under way, of all kinds."""
        return sum(lane.bulkhead.in_flight for lane in self.lanes)

    async def ask(self, method: str, target: str, headers: Headers, body: bytes) -> Response:
        """Pass a request on and return the answer, whatever its status.

        Raises
        ------
        ModelBusy, ModelSlow, ModelDown, BreakerOpen
            Without an answer.
        """
        if target.endswith(":explain"):
            lane = self.explanations
        else:
            lane = self.predictions if method == "POST" else self.metadata
        return await lane.ask(method, target.encode(), headers, body)

    def close(self) -> None:
        """Close idle connections; requests under way finish."""
        for lane in self.lanes:
            lane.backend.close()


class Upstreams:
    """The upstreams of all models."""

    def __init__(self, entries: Mapping[str, Entry], metrics: CallMetrics) -> None:
        self._known: dict[str, Upstream] = {}
        self._metrics = metrics
        self.update(entries)

    def update(self, entries: Mapping[str, Entry]) -> None:
        """Follow a changed models file; unchanged models keep their connections and what is known of them."""
        for name, upstream in list(self._known.items()):
            if entries.get(name) != upstream.entry:
                upstream.close()
                del self._known[name]
                self._metrics.unwatch(name)
        for name, entry in entries.items():
            if name not in self._known:
                made = self._known[name] = Upstream(name, entry, self._metrics)
                self._metrics.watch(name, made.predictions, made.explanations)

    def in_flight(self) -> dict[str, int]:
        """Return the number of requests under way by model."""
        return {name: upstream.in_flight for name, upstream in self._known.items()}

    def __getitem__(self, name: str) -> Upstream:
        return self._known[name]
