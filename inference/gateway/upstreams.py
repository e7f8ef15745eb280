"""Connections to the models: a pool and a bound of their own for each, so that a slow model delays no other."""

from __future__ import annotations

from collections.abc import Mapping

from inference.gateway.problems import ModelBusy, ModelDown, ModelSlow
from inference.gateway.table import Entry
from inference.router.backend import Backend, BackendFailed, BackendSlow, Headers, Response


class Upstream:
    """One model as the gateway reaches it.

    Parameters
    ----------
    name : str
        Of the model, for messages.
    entry : Entry
        Its line of the models file.
    """

    def __init__(self, name: str, entry: Entry) -> None:
        self.name, self.entry = name, entry
        self.in_flight = 0
        self._model = Backend("", "", entry.url, 1, entry.host)
        explain_host = entry.explain_host if entry.explain_url else entry.host
        self._explainer = Backend("", "", entry.explain_url or entry.url, 1, explain_host)

    async def ask(self, method: str, target: str, headers: Headers, body: bytes) -> Response:
        """Pass a request on and return the answer, whatever its status.

        Raises
        ------
        ModelBusy, ModelSlow, ModelDown
            Without an answer.
        """
        explains = target.endswith(":explain")
        backend = self._explainer if explains else self._model
        timeout = self.entry.explain_timeout_s if explains else self.entry.timeout_s
        if self.in_flight >= self.entry.max_in_flight:
            raise ModelBusy(
                f"Model {self.name!r} has {self.in_flight} requests under way, the most it may have.",
                "Send the request again in a second, or raise its max_in_flight.",
            )
        self.in_flight += 1
        try:
            return await backend.send(method, target.encode(), headers, body, timeout)
        except BackendSlow as error:
            raise ModelSlow(
                f"Model {self.name!r} did not answer within {timeout:g} s.", "Send fewer rows, or ask again later."
            ) from error
        except BackendFailed as error:
            raise ModelDown(
                f"Model {self.name!r} cannot be reached: its server {error}.", "Send the request again in a second."
            ) from error
        finally:
            self.in_flight -= 1

    def close(self) -> None:
        """Close idle connections; requests under way finish."""
        self._model.close()
        self._explainer.close()


class Upstreams:
    """The upstreams of all models."""

    def __init__(self, entries: Mapping[str, Entry]) -> None:
        self._known: dict[str, Upstream] = {}
        self.update(entries)

    def update(self, entries: Mapping[str, Entry]) -> None:
        """Follow a changed models file; unchanged models keep their connections."""
        for name, upstream in list(self._known.items()):
            if entries.get(name) != upstream.entry:
                upstream.close()
                del self._known[name]
        for name, entry in entries.items():
            if name not in self._known:
                self._known[name] = Upstream(name, entry)

    def in_flight(self) -> dict[str, int]:
        """Return the number of requests under way by model."""
        return {name: upstream.in_flight for name, upstream in self._known.items()}

    def __getitem__(self, name: str) -> Upstream:
        return self._known[name]
