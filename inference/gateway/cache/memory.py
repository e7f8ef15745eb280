"""Answers kept in this process: per model a least-recently-used order, bounded in entries and in bytes, all in O(1)."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable

from inference.gateway.cache.entry import CacheEntry

OVERHEAD = 500
"""About what an answer costs beside its bytes: key, object, places in three dictionaries."""

VERSIONS = 3
"""Most versions of the answer to one question; older ones only stand in when the model cannot answer."""


class Shelf:
    """The answers of one model, by question, newest version first.

    Parameters
    ----------
    most, most_bytes : int
        Bounds in answers and in bytes.
    evicted : callable
        Called with the number of answers that gave way to others.

    Attributes
    ----------
    entries, size : int
        Answers, and their bytes with :data:`OVERHEAD`.
    """

    def __init__(self, most: int, most_bytes: int, evicted: Callable[[int], None]) -> None:
        self.most, self.most_bytes, self._evicted = most, most_bytes, evicted
        self.entries = self.size = 0
        self._slots: OrderedDict[bytes, tuple[CacheEntry, ...]] = OrderedDict()
        self._tags: dict[str, set[bytes]] = {}

    def get(self, version: str, key: bytes, now: float) -> CacheEntry | None:
        """Return the fresh answer of a version, and count it as used."""
        for entry in self._slots.get(key, ()):
            if entry.version == version and entry.fresh_until > now:
                self._slots.move_to_end(key)
                return entry
        return None

    def newest(self, key: bytes, now: float) -> CacheEntry | None:
        """Return the newest answer of any version that is kept still."""
        return next((entry for entry in self._slots.get(key, ()) if entry.kept_until > now), None)

    def put(self, key: bytes, entry: CacheEntry) -> None:
        """Keep an answer, in the place of the same version's earlier one."""
        if entry.size + OVERHEAD > self.most_bytes:
            return
        others = [e for e in self._slots.get(key, ()) if e.version != entry.version]
        slot = sorted([entry, *others], key=lambda e: e.stored_at, reverse=True)[:VERSIONS]
        self._set(key, tuple(slot))
        self._slots.move_to_end(key)
        while self.entries > self.most or self.size > self.most_bytes:
            oldest = next(iter(self._slots))
            self._evicted(len(self._slots[oldest]))
            self._set(oldest, ())

    def drop_others(self, version: str) -> int:
        """Drop the answers of all versions but one, except those that may stand in; return how many went."""
        before = self.entries
        for key, slot in list(self._slots.items()):
            kept = tuple(e for e in slot if e.version == version or e.outlives)
            if len(kept) != len(slot):
                self._set(key, kept)
        return before - self.entries

    def drop_tag(self, tag: str) -> int:
        """Drop the answers with a tag; return how many there were."""
        before = self.entries
        for key in list(self._tags.get(tag, ())):
            self._set(key, tuple(e for e in self._slots[key] if e.tag != tag))
        return before - self.entries

    def clear(self) -> int:
        """Drop everything; return how much there was."""
        before = self.entries
        self._slots.clear()
        self._tags.clear()
        self.entries = self.size = 0
        return before

    def _set(self, key: bytes, slot: tuple[CacheEntry, ...]) -> None:
        before = self._slots.get(key, ())
        self.entries += len(slot) - len(before)
        self.size += _size(slot) - _size(before)
        if slot:
            self._slots[key] = slot
        else:
            self._slots.pop(key, None)
        tags = {e.tag for e in slot if e.tag}
        for tag in {e.tag for e in before if e.tag} - tags:
            self._tags[tag].discard(key)
            if not self._tags[tag]:
                del self._tags[tag]
        for tag in tags:
            self._tags.setdefault(tag, set()).add(key)


def _size(slot: Iterable[CacheEntry]) -> int:
    return sum(entry.size + OVERHEAD for entry in slot)
