"""Anchors: the chain's head, written outside the database now and then, so that a chain cut at its end shows.

The file in ``home`` is a beginning. Whoever wants to trust nobody with write access to this machine sends
``ARTHAFLOW_AUDIT_ANCHORS`` to a second place, or keeps the lines of the log.
"""

from __future__ import annotations

import logging
import os
import re
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from components.errors import InvalidRequest
from components.records.chain import Head
from components.settings import Settings, settings

log = logging.getLogger(__name__)
EVERY_ENTRIES = 10_000
EVERY_S = 60.0
_LINE = re.compile(r"(?:\S+ )?(\d{1,18})[: ]([0-9a-f]{64})")


def files(config: Settings | None = None) -> list[Path]:
    """Return where anchors are kept."""
    config = config or settings()
    second = [Path(config.audit_anchors).expanduser()] if config.audit_anchors else []
    return [config.root / "audit" / "anchors.log", *second]


def parse(text: str) -> Head:
    """Return the anchor that ``SEQ:HASH``, or a line of a file, tells.

    Raises
    ------
    InvalidRequest
        If it is none.
    """
    match = _LINE.fullmatch(text.strip())
    if match is None:
        raise InvalidRequest(
            f"{text.strip()!r:.90} is no anchor.", "Give SEQ:HASH, as `arthaflow audit anchor` prints it."
        )
    return Head(int(match[1]), match[2])


def kept(config: Settings | None = None) -> Iterator[tuple[Path, Head]]:
    """Yield every anchor of every file, in the order in which they were written."""
    for path in files(config):
        if not path.exists():
            continue
        with path.open() as lines:
            for line in lines:
                if line.strip():
                    yield path, parse(line)


def write(last: Head, config: Settings | None = None) -> list[Path]:
    """Append an anchor to every file, and return which."""
    line = f"{datetime.now(UTC).isoformat(timespec='seconds')} {last.seq} {last.hash}\n".encode()
    written = files(config)
    for path in written:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            os.write(file, line)
            os.fsync(file)
        finally:
            os.close(file)
    return written


class Anchoring:
    """Writes an anchor every so many entries, or seconds, of progress."""

    def __init__(self, config: Settings) -> None:
        self._config = config
        self._last = Head(-1, "")
        self._at = 0.0

    def see(self, last: Head, *, final: bool = False) -> None:
        """Note the chain's head, and anchor it where it is time to."""
        now = time.monotonic()
        due = final or last.seq >= self._last.seq + EVERY_ENTRIES or now >= self._at + EVERY_S
        if not due or last.seq <= max(self._last.seq, 0):
            return
        try:
            write(last, self._config)
        except OSError as error:
            log.error("the anchor %d:%s cannot be written to a file: %s", last.seq, last.hash, error.strerror)
        log.info("audit anchor %d:%s", last.seq, last.hash)
        self._last, self._at = last, now
