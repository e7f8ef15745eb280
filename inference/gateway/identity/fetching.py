"""Reads a small JSON document of the issuer over HTTP, bounded in size and time."""

from __future__ import annotations

import asyncio
import json
from typing import Any
from urllib.parse import urljoin, urlsplit

import httpx

MOST_BYTES = 256 * 1024
TIMEOUT_S = 5.0
HOPS = 3


class FetchFailed(Exception):
    """The document could not be read; the message says why."""


def origin(url: str) -> tuple[str, str, int | None]:
    """Return scheme, host and port.

    Raises
    ------
    FetchFailed
        The URL is none of http or https, or carries a password.
    """
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise FetchFailed(f"{url!r:.200} is no URL") from error
    if parts.scheme not in ("http", "https") or not parts.hostname or "@" in parts.netloc:
        raise FetchFailed(f"{url!r:.200} is no http or https URL of a host")
    return parts.scheme, parts.hostname, port or (443 if parts.scheme == "https" else 80)


async def fetch_json(client: httpx.AsyncClient, url: str, timeout_s: float = TIMEOUT_S) -> Any:
    """Fetch and parse one document.

    Parameters
    ----------
    client : httpx.AsyncClient
        Follows no redirects by itself.
    url : str
        Where; a redirect is followed only on the same scheme, host and port.
    timeout_s : float
        For everything together, seconds.

    Raises
    ------
    FetchFailed
        With the reason.
    """
    home = origin(url)
    try:
        async with asyncio.timeout(timeout_s):
            for _ in range(HOPS):
                status, told, location = await _get(client, url)
                if status not in (301, 302, 303, 307, 308):
                    break
                url = urljoin(url, location)
                if origin(url) != home:
                    raise FetchFailed(f"it redirects to another host, {url!r:.200}")
    except TimeoutError as error:
        raise FetchFailed(f"no answer within {timeout_s:g} s") from error
    except (httpx.HTTPError, httpx.InvalidURL, OSError, ValueError) as error:
        raise FetchFailed(f"{type(error).__name__}: {error}") from error
    if status != 200:
        raise FetchFailed(f"it answered {status}")
    try:
        return json.loads(told)
    except (ValueError, RecursionError) as error:
        raise FetchFailed("its answer is no JSON") from error


async def _get(client: httpx.AsyncClient, url: str) -> tuple[int, bytes, str]:
    """Read one answer as it was sent: a compressed one may be a bomb, and none was asked for."""
    wanted = {"accept": "application/json", "accept-encoding": "identity"}
    async with client.stream("GET", url, headers=wanted) as response:
        held = bytearray()
        async for piece in response.aiter_raw():
            held += piece
            if len(held) > MOST_BYTES:
                raise FetchFailed(f"its answer exceeds {MOST_BYTES} bytes")
        return response.status_code, bytes(held), response.headers.get("location", "")
