"""The issuer's key set (JWKS, RFC 7517): read, kept fresh, and kept when the issuer is away."""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx

from inference.gateway.background import lasting
from inference.gateway.identity.fetching import MOST_BYTES, TIMEOUT_S, FetchFailed, fetch_json
from inference.gateway.identity.jwk import Key, Unfit, read_key
from inference.gateway.identity.refusals import IssuerAway

logger = logging.getLogger(__name__)

MOST_KEYS = 64
DISCOVERY = "/.well-known/openid-configuration"


class KeySet:
    """The keys that tokens are checked with.

    Parameters
    ----------
    source : str or Path
        URL of the key set, or a file that holds it; empty: the issuer's discovery document tells the URL.
    issuer : str
        The issuer's URL, for discovery only.
    refresh_s, retry_s : float
        How old the set may get; an unknown key id fetches it anew, at most every ``retry_s`` seconds.
    timeout_s : float
        For one fetch.
    """

    def __init__(
        self,
        source: str | Path,
        issuer: str = "",
        refresh_s: float = 300.0,
        retry_s: float = 10.0,
        timeout_s: float = TIMEOUT_S,
    ) -> None:
        self.source, self.issuer = source, issuer
        self.refresh_s, self.retry_s, self.timeout_s = refresh_s, retry_s, timeout_s
        self.keys: Mapping[str, Key] = {}
        self.problem = ""
        """Why the last fetch failed; empty after one that did not."""
        self._tried_at = float("-inf")
        self._lock = asyncio.Lock()
        self._client: httpx.AsyncClient | None = None
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Read the set and keep it fresh; an issuer that is away now is asked again later."""
        self._client = httpx.AsyncClient(trust_env=False, follow_redirects=False, timeout=self.timeout_s)
        await self.refresh()
        self._task = lasting(self._keep_fresh(), "keeping the key set fresh")

    async def close(self) -> None:
        """Stop."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        if self._client is not None:
            await self._client.aclose()

    async def find(self, kid: str) -> Key | None:
        """Return the key of an id, asking the issuer anew for an unknown one unless it was just asked.

        Raises
        ------
        IssuerAway
            No set has been read since the start.
        """
        if kid not in self.keys:
            await self.refresh(unless_within_s=self.retry_s)
        if not self.keys and self.problem:
            raise IssuerAway("The issuer's keys could not be read yet, so no token can be checked.", "Try again.")
        return self.keys.get(kid)

    async def refresh(self, unless_within_s: float = 0.0) -> None:
        """Read the set; on failure the last good one stays."""
        async with self._lock:
            now = time.monotonic()
            if now - self._tried_at < unless_within_s:
                return
            self._tried_at = now
            try:
                told = await self._read()
                self.keys = _same_objects(_keys(told), self.keys)
            except FetchFailed as error:
                if not self.problem:
                    logger.warning("The key set %s cannot be read: %s. The last good one stays.", self.source, error)
                self.problem = str(error)
            else:
                self.problem = ""

    async def _keep_fresh(self) -> None:
        while True:
            await asyncio.sleep(min(self.refresh_s, self.retry_s) if self.problem else self.refresh_s)
            await self.refresh()

    async def _read(self) -> Any:
        if isinstance(self.source, Path):
            return await asyncio.to_thread(_from_file, self.source)
        assert self._client is not None, "start() comes first"
        url = self.source
        if not url:
            told = await fetch_json(self._client, self.issuer.rstrip("/") + DISCOVERY, self.timeout_s)
            url = _discovered(told, self.issuer)
        return await fetch_json(self._client, url, self.timeout_s)


def _discovered(told: Any, issuer: str) -> str:
    """Return the key set's URL; a document that speaks for another issuer is refused (OpenID Discovery, 4.3)."""
    if not isinstance(told, dict) or told.get("issuer") != issuer or not isinstance(told.get("jwks_uri"), str):
        raise FetchFailed("its discovery document is not this issuer's, or names no jwks_uri")
    return str(told["jwks_uri"])


def _from_file(path: Path) -> Any:
    try:
        with path.open("rb") as stream:
            raw = stream.read(MOST_BYTES + 1)
    except OSError as error:
        raise FetchFailed(f"{path}: {error.strerror}") from error
    if len(raw) > MOST_BYTES:
        raise FetchFailed(f"{path} exceeds {MOST_BYTES} bytes")
    try:
        return json.loads(raw)
    except (ValueError, RecursionError) as error:
        raise FetchFailed(f"{path} is no JSON") from error


def _keys(told: Any) -> dict[str, Key]:
    """Return the usable keys; a set without one is refused, so that a broken issuer locks nobody out."""
    listed = told.get("keys") if isinstance(told, dict) else None
    if not isinstance(listed, list) or len(listed) > MOST_KEYS:
        raise FetchFailed(f"it is no key set of at most {MOST_KEYS} keys")
    found: dict[str, Key] = {}
    for entry in listed:
        try:
            key = read_key(entry)
        except Unfit as error:
            logger.debug("A key is not used: %s", error)
            continue
        if key.kid in found:
            raise FetchFailed("two of its keys have one kid")
        found[key.kid] = key
    if not found:
        raise FetchFailed("none of its keys can be used (RSA of 2048 bits or more, EC on P-256, use=sig, with a kid)")
    return found


def _same_objects(new: dict[str, Key], old: Mapping[str, Key]) -> dict[str, Key]:
    """Keep the objects of unchanged keys: verified tokens are remembered with theirs."""
    return {kid: old[kid] if kid in old and old[kid].print_ == key.print_ else key for kid, key in new.items()}
