"""What can never go into the database: kept in a file and told, never dropped silently, and in nobody's way."""

from __future__ import annotations

import base64
import logging
import os
from datetime import UTC, datetime
from pathlib import Path

import orjson

log = logging.getLogger(__name__)


def forget_in(folder: Path, pseudonyms: set[str]) -> int:
    """Delete what was set aside about somebody, and return how many records that were.

    Parameters
    ----------
    folder : Path
        Of every writer's quarantine.
    pseudonyms : set of str
        The person's.
    """
    gone = 0
    for path in sorted(folder.glob("*.jsonl")):
        lines = path.read_bytes().splitlines(keepends=True)
        kept = [line for line in lines if not _about(line, pseudonyms)]
        if len(kept) < len(lines):
            gone += len(lines) - len(kept)
            draft = path.with_suffix(".new")
            draft.write_bytes(b"".join(kept))
            draft.chmod(0o600)
            draft.replace(path)
    return gone


def _about(line: bytes, pseudonyms: set[str]) -> bool:
    try:
        record = orjson.loads(line).get("record")
    except orjson.JSONDecodeError:  # torn when its writer was killed
        return False
    return isinstance(record, dict) and bool({record.get("user"), record.get("caller")} & pseudonyms)


class Quarantine:
    """The records of one writer that were set aside.

    Parameters
    ----------
    folder : Path
    writer : str

    Attributes
    ----------
    count : int
        How many, by this process.
    """

    def __init__(self, folder: Path, writer: str) -> None:
        self.path = folder / f"{writer}.jsonl"
        self.count = 0

    def record(self, kind: str, body: bytes, why: str) -> None:
        """Set a whole record aside."""
        try:
            self._keep({"kind": kind, "record": orjson.loads(body)}, why)
        except orjson.JSONDecodeError:
            self._keep({"kind": kind, "bytes": base64.b64encode(body).decode()}, why)

    def bytes(self, data: bytes, why: str) -> None:
        """Set bytes aside that are no record."""
        self._keep({"bytes": base64.b64encode(data).decode()}, why)

    def _keep(self, told: dict[str, object], why: str) -> None:
        self.count += 1
        self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        line = orjson.dumps({"at": datetime.now(UTC), "why": why, **told}) + b"\n"
        file = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            os.write(file, line)
            os.fsync(file)
        finally:
            os.close(file)
        # The reason may quote the record, which may be personal: it stands in the file only.
        log.error("set a record of the prediction log aside (%d so far), see %s", self.count, self.path)
