"""Names of a version's output columns, from its own metadata: while a canary runs, two versions answer to one name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import orjson

from inference.gateway.cache.versions import CANARY, TRACK, VERSION, version_of
from inference.gateway.calls.model_calls import unanswered
from inference.gateway.problems import Unanswered
from inference.gateway.product.refusal import PredictionFailed, refusal
from inference.router.backend import Headers, Response

if TYPE_CHECKING:
    from inference.gateway.calls.model_calls import ModelCalls

Named = Mapping[str, tuple[str, ...]]
MOST = 256
"""Versions that are remembered, of all models together."""


class VersionGone(Unanswered):
    """The version that answered is not there any more to say what its columns are; asking again asks the next one."""


class Columns:
    """Remembers what each version calls its columns.

    Parameters
    ----------
    calls : ModelCalls
    """

    def __init__(self, calls: ModelCalls) -> None:
        self.calls = calls
        self._known: dict[tuple[str, str], Named] = {}

    async def of(self, model: str, version: str, answered: Response, headers: Headers) -> Named:
        """Return the column names of each output tensor of the version that answered.

        Parameters
        ----------
        model, version : str
        answered : Response
            Its answer, which may tell its track.
        headers : list
            Of the request, for the metadata's.

        Raises
        ------
        Unanswered, ArthaflowError
            If its metadata cannot be had: names of another version would put prices under wrong horizons.
        """
        known = self._known.get((model, version))
        if known is not None:
            return known
        track = _told(answered, TRACK)
        for asked in (track,) if track else ("", CANARY):
            more = [(TRACK, asked.encode())] if asked else []
            response = await self.calls.get(model, f"/v2/models/{model}", [*headers, *more])
            if response.status != 200:
                raise unanswered(model, response) or refusal(response.status, response.body)
            if _same(answered, version, response):
                return self._keep(model, version, _columns(model, response))
        raise VersionGone(
            f"Model {model!r} changed its version while it answered.", "Send the request again in a second."
        )

    def _keep(self, model: str, version: str, found: Named) -> Named:
        while len(self._known) >= MOST:
            del self._known[next(iter(self._known))]
        self._known[model, version] = found
        return found


def _same(answered: Response, version: str, metadata: Response) -> bool:
    """Whether metadata is that of the version that answered: routers tell both by header, servers both by body."""
    before, now = _told(answered, VERSION), _told(metadata, VERSION)
    if before or now:
        return not (before and now) or before == now
    return version_of(metadata) in ("", version)


def _columns(model: str, response: Response) -> Named:
    try:
        told: Any = orjson.loads(response.body)
        return {
            tensor["name"]: tuple(c["name"] for c in (tensor.get("parameters") or {}).get("columns", ()))
            for tensor in told.get("outputs", ())
        }
    except (orjson.JSONDecodeError, KeyError, TypeError, AttributeError) as error:
        raise PredictionFailed(
            f"The metadata of model {model!r} is none of V2 ({type(error).__name__}).", "Report it with the request id."
        ) from error


def _told(response: Response, wanted: bytes) -> str:
    return next((value.decode("latin-1") for name, value in reversed(response.headers) if name == wanted), "")
