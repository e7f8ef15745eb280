"""The routing table: which backend a request goes to. Changed as a whole, kept in a file for a restart."""

from __future__ import annotations

import json
import random
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from components.errors import InvalidRequest, ModelUnavailable
from inference.router.backend import Backend

TRACKS = ("stable", "canary")


class RoutingTable:
    """Backends by track.

    Parameters
    ----------
    state : Path
        Where the table is kept.
    seed : int or None
        Of the random split; None for a different one each time.
    """

    def __init__(self, state: Path, seed: int | None = None) -> None:
        self._state = state
        self._random = random.Random(seed)
        self.backends: dict[str, Backend] = {}
        self.leaving: list[Backend] = []
        if state.is_file():
            self._install(validate(json.loads(state.read_text(encoding="utf-8"))))

    def replace(self, raw: Any) -> None:
        """Take a new table, all or nothing.

        Raises
        ------
        InvalidRequest
            If it is malformed; the old table stays.
        """
        table = validate(raw)
        self._state.parent.mkdir(parents=True, exist_ok=True)
        scratch = self._state.with_suffix(".part")
        scratch.write_text(json.dumps(table, indent=1) + "\n", encoding="utf-8")
        scratch.replace(self._state)
        self._install(table)

    def _install(self, table: Mapping[str, Mapping[str, Any]]) -> None:
        before = list(self.backends.values())
        after: dict[str, Backend] = {}
        for track, entry in table.items():
            same = next((b for b in before if (b.version, b.url) == (entry["version"], entry["url"])), None)
            backend = same or Backend(track, entry["version"], entry["url"], 0)
            backend.track, backend.weight = track, entry["weight"]
            after[track] = backend
        self.backends = after
        for backend in before:
            if backend not in after.values():
                backend.close()
                self.leaving.append(backend)

    def pick(self, forced: str = "") -> Backend:
        """Choose a backend at random by weight, or the one that a header forces.

        Raises
        ------
        ModelUnavailable
            If there is none.
        """
        if forced in self.backends:
            return self.backends[forced]
        choices = [b for b in self.backends.values() if b.weight > 0]
        if not choices:
            raise ModelUnavailable("The router has no backend yet.", "Deploy a version, or wait until it is ready.")
        return self._random.choices(choices, [b.weight for b in choices])[0]

    def other(self, than: Backend) -> Backend | None:
        """Return the backend to retry on, if there is another."""
        return next((b for b in self.backends.values() if b.url != than.url), None)

    def to_dict(self) -> dict[str, Any]:
        """Return the table with the requests in flight; ``draining`` are backends that left and still answer some."""
        self.leaving = [b for b in self.leaving if b.inflight]
        entries = {
            track: {"url": b.url, "version": b.version, "weight": b.weight, "inflight": b.inflight}
            for track, b in self.backends.items()
        }
        draining = [{"url": b.url, "version": b.version, "inflight": b.inflight} for b in self.leaving]
        return {**entries, "draining": draining}


def validate(raw: Any) -> dict[str, dict[str, Any]]:
    """Return a well-formed table.

    Raises
    ------
    InvalidRequest
        With the path of what is wrong.
    """
    remedy = 'Send {"stable": {"url": "http://127.0.0.1:8080", "version": "1", "weight": 100}}, and "canary" likewise.'
    if not isinstance(raw, dict) or "stable" not in raw:
        raise InvalidRequest("there is no entry 'stable'.", remedy)
    table: dict[str, dict[str, Any]] = {}
    for track, entry in raw.items():
        if track == "draining":
            continue
        if track not in TRACKS or not isinstance(entry, dict):
            raise InvalidRequest(f"{track!r} is no track with an entry.", remedy, track)
        weight, url, version = entry.get("weight"), entry.get("url"), entry.get("version")
        if not isinstance(weight, int) or isinstance(weight, bool) or weight < 0:
            raise InvalidRequest(f"{weight!r} is no weight.", "Give a whole number, 0 or more.", f"{track}.weight")
        parts = urlsplit(url) if isinstance(url, str) else None
        if parts is None or parts.scheme != "http" or not parts.hostname or parts.path not in ("", "/"):
            raise InvalidRequest(f"{url!r} is no backend.", "Give http://host:port.", f"{track}.url")
        if not isinstance(version, str) or not version:
            raise InvalidRequest(f"{version!r} is no version.", "Give a text such as '2'.", f"{track}.version")
        table[track] = {"url": url, "version": version, "weight": weight}
    if not sum(e["weight"] for e in table.values()):
        raise InvalidRequest("all weights are 0.", "Give at least one track a weight.")
    if len(table) == 2 and table["stable"]["version"] == table["canary"]["version"]:
        raise InvalidRequest(
            f"both tracks have version {table['stable']['version']!r}.", "Give two versions.", "canary.version"
        )
    return table
