"""VersionWatch: which version of a model answers now, so that no answer of an earlier one is given out.

Two sources tell it. Every answer does, at once; and every few seconds each model's metadata does, asked for on the
stable track, because a model whose every question is answered from the cache gives no answers. While a canary runs,
both versions answer: the canary's answers carry its track, and where nothing says the track, a version never seen
before counts until the metadata, asked at once, says otherwise.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import orjson

from components.errors import ArthaflowError
from inference.gateway.background import lasting
from inference.router.backend import Headers, Response

if TYPE_CHECKING:
    from inference.gateway.cache.prediction_cache import PredictionCache
    from inference.gateway.calls.model_calls import ModelCalls

TRACK = b"x-model-track"
VERSION = b"x-model-version"
STABLE, CANARY = "stable", "canary"
MOST_SEEN = 32


class VersionWatch:
    """Follows the versions of all models.

    Parameters
    ----------
    calls : ModelCalls
    cache : PredictionCache
        Drops the answers of earlier versions.
    every_s : float
        How often metadata is asked, seconds: how long an answer of an earlier version may be given out at most.
    """

    def __init__(self, calls: ModelCalls, cache: PredictionCache, every_s: float = 2.0) -> None:
        self.calls, self.cache, self.every_s = calls, cache, every_s
        self._versions: dict[tuple[str, str], str] = {}
        self._confirmed: dict[str, str] = {}
        self._seen: dict[str, dict[str, None]] = {}
        self._asking: dict[str, asyncio.Task[None]] = {}
        self._polling: asyncio.Task[None] | None = None

    def current(self, model: str, track: str = STABLE) -> str:
        """Return the version that answers on a track; empty while nothing is known."""
        return self._versions.get((model, track), "")

    def note(self, model: str, version: str, track: str = "") -> None:
        """Take in the version, and the track where it is known, of an answer.

        Must be called from the event loop.
        """
        if not version or version == self._versions.get((model, track or STABLE)):
            return
        if track:
            self._set(model, track, version)
        elif version not in self._seen.get(model, ()):
            self._set(model, STABLE, version, sure=False)
            self._ask_now(model)
        elif version != self.current(model, CANARY):
            self._ask_now(model)

    async def start(self) -> None:
        """Ask every model once, and go on asking until :meth:`close`; one that is silent is not waited for."""
        self._ask_all()
        if self._asking:
            await asyncio.wait(self._asking.values(), timeout=self.every_s)
        self._polling = lasting(self._poll_on(), "asking for versions")

    async def close(self) -> None:
        """Stop asking."""
        tasks = [task for task in (self._polling, *self._asking.values()) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def poll(self) -> None:
        """Ask every model of the table now; one that does not answer keeps what is known of it."""
        self._ask_all()
        await asyncio.gather(*self._asking.values())

    async def _poll_on(self) -> None:
        while True:
            await asyncio.sleep(self.every_s)
            self._ask_all()

    def _ask_all(self) -> None:
        """Ask every model that is not being asked still: a frozen one delays no other."""
        for model in self.calls.table.entries:
            self._ask_now(model)
        for model, track in list(self._versions):
            if model not in self.calls.table.entries:
                del self._versions[model, track]

    def _ask_now(self, model: str) -> None:
        if model not in self._asking:
            task = self._asking[model] = lasting(self._ask(model), f"asking for the version of {model}")
            task.add_done_callback(lambda _: self._asking.pop(model, None))

    async def _ask(self, model: str) -> None:
        stable = await self._metadata(model, STABLE)
        if stable is not None and stable.status == 200 and (version := version_of(stable)):
            self._set(model, STABLE, version)
        if (model, CANARY) not in self._versions:
            return
        canary = await self._metadata(model, CANARY)
        if canary is None:
            return
        if canary.status == 404 or _header(canary, TRACK) == STABLE:
            self._versions.pop((model, CANARY), None)
        elif canary.status == 200 and (version := version_of(canary)):
            self._set(model, CANARY, version)

    async def _metadata(self, model: str, track: str) -> Response | None:
        headers: Headers = [(TRACK, track.encode())]
        try:
            return await self.calls.get(model, f"/v2/models/{model}", headers)
        except ArthaflowError:
            return None

    def _set(self, model: str, track: str, version: str, sure: bool = True) -> None:
        self._versions[model, track] = version
        if track == STABLE and sure:
            self._confirm(model, version)
        seen = self._seen.setdefault(model, {})
        seen.pop(version, None)
        seen[version] = None
        while len(seen) > MOST_SEEN:
            del seen[next(iter(seen))]

    def _confirm(self, model: str, version: str) -> None:
        before, self._confirmed[model] = self._confirmed.get(model, version), version
        if before != version:
            self.cache.version_changed(model, version)


def version_of(response: Response) -> str:
    """Return the version that a model's metadata tells: the router's header, else the only one in ``versions``.

    Examples
    --------
    >>> version_of(Response(200, [], b'{"name": "tiny", "versions": ["3"]}'))
    '3'
    """
    told = _header(response, VERSION)
    if told:
        return told
    try:
        metadata: Any = orjson.loads(response.body)
    except orjson.JSONDecodeError:
        return ""
    versions = metadata.get("versions") if isinstance(metadata, Mapping) else None
    return str(versions[0]) if isinstance(versions, list) and len(versions) == 1 else ""


def _header(response: Response, wanted: bytes) -> str:
    return next((value.decode("latin-1") for name, value in response.headers if name == wanted), "")
