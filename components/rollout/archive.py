"""Where histories are kept for good: beside the artifacts, in a folder or in an S3 bucket.

An object store cannot append, so there each event is an object of its own: what was written is never written again, and
a process that dies loses at most the event it was writing. Artifacts are immutable folders with a manifest; a history
grows, and has none.
"""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from components.registry.store import FolderStore, open_store
from components.rollout.history import append_line, read_history
from components.settings import Settings

if TYPE_CHECKING:
    from components.registry.s3 import S3Store

ROOT = "rollouts"
Event = dict[str, Any]


class Archive(Protocol):
    """Histories by key, ``<model>/<version>-<run>``."""

    def append(self, key: str, number: int, event: Event) -> None:
        """Keep the event ``number`` (from 0) of a history; keeping the same one again changes nothing."""
        ...

    def read(self, key: str) -> list[Event]:
        """Return the events of a history, in order; empty when there is none."""
        ...

    def keys(self, model: str) -> list[str]:
        """Return the keys of a model's histories, sorted."""
        ...


def open_archive(config: Settings | None = None) -> Archive:
    """Open the archive in the artifact store of the settings."""
    store = open_store(config=config)
    if isinstance(store, FolderStore):
        return FolderArchive(store.root / ROOT)
    return S3Archive(store)  # type: ignore[arg-type]


class FolderArchive:
    """A JSONL file for each history.

    Parameters
    ----------
    root : Path
        Created with the first event.
    """

    def __init__(self, root: Path) -> None:
        self.root = root

    def append(self, key: str, number: int, event: Event) -> None:
        """See :meth:`Archive.append`."""
        path = self._path(key)
        lines = path.read_bytes().count(b"\n") if path.is_file() else 0
        if lines == number:
            append_line(path, event)

    def read(self, key: str) -> list[Event]:
        """See :meth:`Archive.read`."""
        path = self._path(key)
        return read_history(path) if path.is_file() else []

    def keys(self, model: str) -> list[str]:
        """See :meth:`Archive.keys`."""
        return sorted(f"{model}/{p.stem}" for p in (self.root / model).glob("*.jsonl"))

    def _path(self, key: str) -> Path:
        return self.root / f"{key}.jsonl"


class S3Archive:
    """An object for each event, ``rollouts/<key>/000007.json`` below the store's prefix.

    Parameters
    ----------
    store : S3Store
        The connection.
    """

    def __init__(self, store: S3Store) -> None:
        self._store = store

    def append(self, key: str, number: int, event: Event) -> None:
        """See :meth:`Archive.append`."""
        content = json.dumps(event, allow_nan=False).encode()
        with self._store.explained():
            self._store.client.put_object(
                self._store.bucket, self._name(f"{key}/{number:06d}.json"), io.BytesIO(content), len(content)
            )

    def read(self, key: str) -> list[Event]:
        """See :meth:`Archive.read`."""
        events = []
        with self._store.explained():
            for name in self._list(f"{key}/"):
                answer = self._store.client.get_object(self._store.bucket, name)
                try:
                    events.append(json.loads(answer.read()))
                finally:
                    answer.close()
                    answer.release_conn()
        return events

    def keys(self, model: str) -> list[str]:
        """See :meth:`Archive.keys`."""
        start = self._name("")
        with self._store.explained():
            return sorted({name.removeprefix(start).rpartition("/")[0] for name in self._list(f"{model}/")})

    def _list(self, prefix: str) -> list[str]:
        found = self._store.client.list_objects(self._store.bucket, self._name(prefix), recursive=True)
        return sorted(str(o.object_name) for o in found)

    def _name(self, key: str) -> str:
        return "/".join(filter(None, [self._store.prefix, ROOT])) + f"/{key}"
