"""``serving.json``: which servers run, shared by every ``arthaflow`` process of one home."""

from __future__ import annotations

import fcntl
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from inference.local.endpoint import Endpoint

Endpoints = dict[str, Endpoint]


class ServingState:
    """The file, changed under a lock and replaced as a whole.

    Parameters
    ----------
    path : Path
        The file; its folder is created.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def read(self) -> Endpoints:
        """Return what should run, by :attr:`Endpoint.key`; whether it does is :attr:`Endpoint.alive`."""
        if not self.path.is_file():
            return {}
        raw = json.loads(self.path.read_text(encoding="utf-8"))
        return {key: Endpoint.from_dict(value) for key, value in raw["servers"].items()}

    def change(self, edit: Callable[[Endpoints], object]) -> None:
        """Apply ``edit`` to the servers."""
        with self._locked():
            servers = self.read()
            edit(servers)
            scratch = self.path.with_suffix(".part")
            content = {"servers": {k: v.to_dict() for k, v in sorted(servers.items())}}
            scratch.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
            scratch.replace(self.path)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.with_suffix(".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield
