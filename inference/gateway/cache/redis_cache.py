"""Answers that replicas share, in Redis: one round trip before a computation, one after it."""

from __future__ import annotations

import time
from dataclasses import dataclass
from functools import partial
from typing import Any

from inference.gateway.cache.entry import CacheEntry
from inference.gateway.cache.redis_link import RedisAway, RedisLink
from inference.gateway.cache.scripts import LOOK_OR_LOCK, RELEASE, RENEW, STORE

PREFIX = "arthaflow:cache"
TOMBSTONE_MS = 600_000
"""Longer than any computation takes: what began before an erasure is not kept after it."""

LARGEST = 2**20
"""Bytes of an answer that is shared; larger ones stay in the memory of the replica that asked."""

FORGOTTEN = f"{PREFIX}-forgotten"
"""Stream of erasures, which every replica follows for its own memory."""


@dataclass(frozen=True)
class Place:
    """Where one question's answer is: model, version, key, and the token of whoever may compute it."""

    model: str
    version: str
    key: bytes
    token: str

    @property
    def answer(self) -> str:
        """Key of the answer."""
        return answer_key(self.model, self.version, self.key)

    @property
    def lock(self) -> str:
        """Key of the lock."""
        return f"{PREFIX}-lock:{self.model}:{self.version}:{self.key.hex()}"


def answer_key(model: str, version: str, key: bytes) -> str:
    """Return the key of an answer."""
    return f"{PREFIX}:{model}:{version}:{key.hex()}"


class RedisCache:
    """The shared answers.

    Parameters
    ----------
    link : RedisLink
    lock_ms : int
        Life of a lock; a leader that lives renews it, so others wait no longer for one that was killed.

    Notes
    -----
    Every method raises :class:`RedisAway` while Redis is away.
    """

    def __init__(self, link: RedisLink, lock_ms: int = 1000) -> None:
        self.link, self.lock_ms = link, lock_ms
        register = link.client.register_script
        self._look, self._store = register(LOOK_OR_LOCK), register(STORE)
        self._release, self._renew = register(RELEASE), register(RENEW)

    async def look_or_lock(self, place: Place, fresher_than: float) -> tuple[CacheEntry | None, bool]:
        """Return an answer that is fresh beyond a Unix time, or None and whether the caller may compute it."""
        args = [place.token, self.lock_ms, repr(fresher_than)]
        found, ours = await self.link.ask(lambda: self._run(self._look, [place.answer, place.lock], args))
        entry = CacheEntry.decode(found) if found else None
        return entry, bool(ours)

    async def store(self, place: Place, entry: CacheEntry, began: float) -> None:
        """Keep an answer under its own version, and give the lock back.

        Parameters
        ----------
        place : Place
            What was asked; the answer's version may be another.
        entry : CacheEntry
        began : float
            When the computation began, Unix time.
        """
        data, life = entry.encode(), int((entry.kept_until - entry.stored_at) * 1e3)
        if life < 1 or len(data) > LARGEST:
            await self.release(place)
            return
        keys = [
            answer_key(place.model, entry.version, place.key),
            versions_key(place.model),
            place.lock,
            tag_key(entry.tag),
            gone_key("tag", entry.tag),
            gone_key("model", place.model),
        ]
        args = [data, life, entry.version, repr(entry.stored_at), repr(began), entry.tag, place.token]
        if not await self.link.ask(lambda: self._run(self._store, keys, args)):
            await self.release(place)

    async def release(self, place: Place) -> None:
        """Give a lock back that is still ours."""
        await self.link.ask(lambda: self._run(self._release, [place.lock], [place.token]))

    async def renew(self, place: Place) -> bool:
        """Hold a lock for longer; return whether it was still ours."""
        args = [place.token, self.lock_ms]
        return bool(await self.link.ask(lambda: self._run(self._renew, [place.lock], args)))

    async def newest(self, model: str, key: bytes, now: float) -> CacheEntry | None:
        """Return the newest answer of any version that is kept still."""
        client = self.link.client
        versions = await self.link.ask(lambda: client.zrevrange(versions_key(model), 0, 7))
        if not versions:
            return None
        keys = [answer_key(model, v.decode(), key) for v in versions]
        found = await self.link.ask(lambda: client.mget(keys))
        entries = [entry for data in found if data and (entry := CacheEntry.decode(data)) and entry.kept_until > now]
        return max(entries, key=lambda entry: entry.stored_at, default=None)

    async def forget_model(self, model: str) -> int:
        """Erase a model's answers, here and in every replica; return how many were here."""
        await self._mark("model", model)
        count, cursor, client = 0, 0, self.link.client
        while True:
            cursor, keys = await self.link.ask(partial(client.scan, cursor, f"{PREFIX}:{model}:*", 500))
            if keys:
                count += await self._unlink(*keys)
            if not cursor:
                return count

    async def forget_tag(self, tag: str) -> int:
        """Erase the answers with a tag, here and in every replica; return how many were here."""
        await self._mark("tag", tag)
        client, name = self.link.client, tag_key(tag)
        found: Any = await self.link.ask(lambda: client.smembers(name))  # type: ignore[arg-type,return-value]
        keys = sorted(found)
        count = 0
        for start in range(0, len(keys), 500):
            count += await self._unlink(*keys[start : start + 500])
        await self._unlink(name)
        return count

    async def forgotten_since(self, last: str) -> tuple[str, list[tuple[str, str]]]:
        """Return what was erased since a place of the stream, as kind and name, and the place to go on from."""
        client = self.link.client
        if not last:
            newest: Any = await self.link.ask(lambda: client.xrevrange(FORGOTTEN, count=1))
            return (newest[0][0].decode() if newest else "0-0"), []
        found: Any = await self.link.ask(lambda: client.xrange(FORGOTTEN, f"({last}", "+", 1000))
        erased = [(fields[b"kind"].decode(), fields[b"name"].decode()) for _, fields in found]
        return (found[-1][0].decode() if found else last), erased

    async def _mark(self, kind: str, name: str) -> None:
        client, told = self.link.client, {"kind": kind, "name": name}
        await self.link.ask(lambda: client.set(gone_key(kind, name), repr(time.time()), px=TOMBSTONE_MS))
        await self.link.ask(lambda: client.xadd(FORGOTTEN, told, maxlen=10_000))  # type: ignore[arg-type]

    async def _unlink(self, *keys: Any) -> int:
        return int(await self.link.ask(lambda: self.link.client.unlink(*keys)))

    async def _run(self, script: Any, keys: list[str], args: list[Any]) -> Any:
        return await script(keys=keys, args=args)


def versions_key(model: str) -> str:
    """Return the key of the versions of which there are answers, by time."""
    return f"{PREFIX}-versions:{model}"


def tag_key(tag: str) -> str:
    """Return the key of the answers with a tag."""
    return f"{PREFIX}-tag:{tag}"


def gone_key(kind: str, name: str) -> str:
    """Return the key that tells when something was erased last."""
    return f"{PREFIX}-gone:{kind}:{name}"


__all__ = ["FORGOTTEN", "PREFIX", "Place", "RedisAway", "RedisCache"]
