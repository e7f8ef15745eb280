"""The reading end of a writer's journal: whole records from a position on, torn tails cut, damage set aside."""

from __future__ import annotations

import fcntl
import logging
import os
import re
from dataclasses import dataclass
from pathlib import Path

from components.records.framing import HEADER, LARGEST, MAGIC, Found, next_record, records
from components.records.journal import LOCK, Position, segment_path
from components.records.quarantine import Quarantine

log = logging.getLogger(__name__)
CHUNK = 2**20
READER_LOCK = "drain.lock"
_SEGMENT = re.compile(r"(\d{10})\.log")


@dataclass(frozen=True)
class Batch:
    """Records that lie one after another.

    Attributes
    ----------
    records : list of Found
    start, end : Position
        Where they begin and end.
    """

    records: list[Found]
    start: Position
    end: Position


class Segments:
    """The journal of one writer, as its only reader sees it.

    Parameters
    ----------
    home : Path
        The writer's folder.
    lock : int
        Handle that holds the reader's lock; see :func:`claim`.
    """

    def __init__(self, home: Path, lock: int) -> None:
        self.home, self._lock = home, lock
        self.writer = home.name
        self.quarantine = Quarantine(home.parent / "quarantine", self.writer)

    def first(self) -> Position:
        """Return where the oldest segment begins."""
        return Position(min(self.numbers(), default=1), 0)

    def numbers(self) -> list[int]:
        """Return the numbers of the segments that lie there."""
        found = (_SEGMENT.fullmatch(path.name) for path in self.home.iterdir())
        return sorted(int(match[1]) for match in found if match)

    def read(self, start: Position, *, alive: bool) -> Batch:
        """Return the whole records from ``start`` on, at most about a mebibyte; none where there is nothing yet.

        Parameters
        ----------
        start : Position
        alive : bool
            Whether the writer may still write: an unfinished record at the end is then not torn but under way.
        """
        # Asked before the bytes are read: a segment with a successor grows no more.
        closed = segment_path(self.home, start.segment + 1).exists()
        data = self._bytes(start)
        found = list(records(data))
        if found:
            return Batch(found, start, Position(start.segment, start.offset + found[-1].end))
        if data and not (skip := self._skip(data, start, closed or not alive)):
            return Batch([], start, start)
        if data:
            return self.read(Position(start.segment, start.offset + skip), alive=alive)
        if closed:
            return self.read(Position(start.segment + 1, 0), alive=alive)
        return Batch([], start, start)

    def forget(self, before: Position) -> None:
        """Delete the segments that are in the database whole."""
        for number in self.numbers():
            if number < before.segment:
                segment_path(self.home, number).unlink()

    def remove(self) -> None:
        """Delete a dead writer's folder, whose records are all in the database."""
        for number in self.numbers():
            segment_path(self.home, number).unlink()
        # Out of sight first: another drainer that looks in meanwhile would make its own lock in it.
        hidden = self.home.rename(self.home.with_name(f".{self.writer}.gone"))
        for path in hidden.iterdir():
            path.unlink()
        hidden.rmdir()
        os.close(self._lock)

    def _bytes(self, start: Position) -> bytes:
        try:
            file = os.open(segment_path(self.home, start.segment), os.O_RDONLY)
        except FileNotFoundError:
            return b""
        try:
            data = os.pread(file, CHUNK, start.offset)
            if len(data) == CHUNK and data.startswith(MAGIC):
                length = HEADER.unpack_from(data)[2] + HEADER.size
                if CHUNK < length <= LARGEST + HEADER.size:
                    data = os.pread(file, length, start.offset)
            return data
        finally:
            os.close(file)

    def _skip(self, data: bytes, start: Position, final: bool) -> int:
        """Return how many bytes at the front are no record and never will be."""
        sound = next_record(data, 1)
        if sound > 0:
            self.quarantine.bytes(data[:sound], f"damaged at {start.segment}:{start.offset}")
            return sound
        if not final:
            return 0
        if _torn(data):
            log.warning("cut a torn, unacknowledged record of %d bytes off %s:%d", len(data), self.home, start.segment)
        else:
            self.quarantine.bytes(data, f"damaged at {start.segment}:{start.offset}")
        return len(data)


def claim(home: Path) -> Segments | None:
    """Return the journal in a folder for reading, or None where somebody else reads it or it is gone."""
    try:
        lock = os.open(home / READER_LOCK, os.O_RDWR | os.O_CREAT, 0o600)
    except (FileNotFoundError, NotADirectoryError):
        return None
    if _locked(lock) or not (home / READER_LOCK).exists():
        os.close(lock)
        return None
    return Segments(home, lock)


def alive(home: Path) -> bool:
    """Return whether a journal's writer still holds it."""
    try:
        lock = os.open(home / LOCK, os.O_RDWR)
    except FileNotFoundError:
        return False
    try:
        return _locked(lock)
    finally:
        os.close(lock)


def _locked(file: int) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    return False


def _torn(data: bytes) -> bool:
    """Return whether bytes are the beginning of a record whose rest was never written, or zeros of a lost page."""
    if not data.strip(b"\0"):
        return True
    if not (MAGIC.startswith(data[:2]) or data.startswith(MAGIC)):
        return False
    return len(data) < HEADER.size or len(data) < HEADER.size + HEADER.unpack_from(data)[2]
