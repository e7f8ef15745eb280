"""Remembers tokens that were verified, by their hash, until they expire or their key is dropped."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Mapping

from inference.gateway.caller import Caller
from inference.gateway.identity.jwk import Key


class SeenTokens:
    """A bounded memory of verified tokens; the one asked longest ago goes first.

    Parameters
    ----------
    most : int
        Tokens held.
    """

    def __init__(self, most: int = 10_000) -> None:
        self.most = most
        self._held: OrderedDict[bytes, tuple[Caller, Key, float]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._held)

    def get(self, token: bytes, keys: Mapping[str, Key], now: float) -> Caller | None:
        """Return whose token it is; None if it is new, has expired, or its key is no longer in ``keys``."""
        digest = hashlib.sha256(token).digest()
        entry = self._held.get(digest)
        if entry is None:
            return None
        caller, key, until = entry
        if now >= until or keys.get(key.kid) is not key:
            del self._held[digest]
            return None
        self._held.move_to_end(digest)
        return caller

    def put(self, token: bytes, caller: Caller, key: Key, until: float) -> None:
        """Remember a verified token until ``until``, seconds since the epoch."""
        self._held[hashlib.sha256(token).digest()] = (caller, key, until)
        while len(self._held) > self.most:
            self._held.popitem(last=False)
