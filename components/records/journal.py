"""The writing end of the prediction log: segment files that a record is in before its prediction is acknowledged.

``write(2)`` is what survives a kill -9: the bytes are the kernel's then. The database is somebody else's work
(:mod:`components.records.drainer`), who reads the segments, and deletes them when it has them.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from components.errors import ArthaflowError, OutOfSpace

SEGMENT_BYTES = 8 * 2**20
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
LOCK = "writer.lock"


class LogFull(OutOfSpace):
    """The journal's disk is full, so that a prediction cannot be logged, and is not given."""

    status = 503
    code = "PREDICTION_LOG_FULL"
    retry_after_s = 5.0


class LogUnwritable(ArthaflowError):
    """The journal cannot be written for another reason."""

    status = 503
    code = "PREDICTION_LOG_UNWRITABLE"
    retry_after_s = 5.0


class Position(NamedTuple):
    """A place in a writer's journal: before ``offset`` bytes of segment ``segment``."""

    segment: int
    offset: int


class Journal:
    """The journal of one writing process.

    Parameters
    ----------
    folder : Path
        Of all writers.
    segment_bytes : int
        A segment that is longer is closed, and the next one begun.

    Attributes
    ----------
    writer : str
        This writer's id, the name of its folder.
    position : Position
        Where the next record will lie.
    written : int
        Bytes written so far.
    """

    def __init__(self, folder: Path, segment_bytes: int = SEGMENT_BYTES) -> None:
        self.writer = uuid.uuid4().hex
        self.home = folder / self.writer
        self.segment_bytes = segment_bytes
        self.position = Position(1, 0)
        self.written = 0
        self._starts = {1: 0}
        draft = folder / f".{self.writer}"
        try:
            draft.mkdir(parents=True, mode=0o700)
            self._lock = os.open(draft / LOCK, os.O_RDWR | os.O_CREAT, 0o600)
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # Who looks for journals of the dead sees it only now that it is locked.
            draft.rename(self.home)
            self._file = self._open(1)
        except OSError as error:
            raise refusal(error, self.home) from error

    def append(self, frames: Sequence[bytes]) -> tuple[int, ArthaflowError | None]:
        """Write records at the end, in one call where the kernel takes them so.

        Returns
        -------
        whole : int
            How many records are in the file, from the first.
        refused : LogFull or LogUnwritable or None
            Why the others are not; the file ends after the last whole one, as if they had never been tried.
        """
        refused = self._next() if self.position.offset >= self.segment_bytes else None
        if refused is not None:
            return 0, refused
        done, failure = self._push(b"".join(frames))
        whole = len(frames)
        if failure is not None:
            whole, done = _whole(frames, done)
            refused = refusal(failure, self.home)
            with contextlib.suppress(OSError):
                os.ftruncate(self._file, self.position.offset + done)
            # A disk that does not even cut keeps a torn record, which readers pass over; positions stay true.
            done = os.fstat(self._file).st_size - self.position.offset
        self.position = Position(self.position.segment, self.position.offset + done)
        self.written += done
        return whole, refused

    def turn(self) -> bool:
        """Close a segment that holds something, and begin the next; what is in the database is deleted by segments.

        Returns
        -------
        bool
            Whether there is a new segment.
        """
        return self.position.offset > 0 and self._next() is None

    def bytes_before(self, position: Position) -> int:
        """Return how many bytes lie before a position; forgets the segments before it."""
        for number in [number for number in self._starts if number < position.segment]:
            del self._starts[number]
        return self._starts.get(position.segment, self.written) + position.offset

    def close(self) -> None:
        """Close the files; who drains may have the folder now."""
        os.close(self._file)
        os.close(self._lock)

    def _push(self, data: bytes) -> tuple[int, OSError | None]:
        done = 0
        try:
            while done < len(data):
                done += os.write(self._file, memoryview(data)[done:])
        except OSError as error:
            return done, error
        return done, None

    def _next(self) -> ArthaflowError | None:
        number = self.position.segment + 1
        try:
            following = self._open(number)
        except OSError as error:
            return refusal(error, self.home)
        os.close(self._file)
        self._file, self.position = following, Position(number, 0)
        self._starts[number] = self.written
        return None

    def _open(self, number: int) -> int:
        return os.open(segment_path(self.home, number), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)


def _whole(frames: Sequence[bytes], done: int) -> tuple[int, int]:
    """Return how many records, and their bytes, lie whole within the first ``done`` bytes."""
    kept = 0
    for number, each in enumerate(frames):
        if kept + len(each) > done:
            return number, kept
        kept += len(each)
    return len(frames), kept


def segment_path(home: Path, number: int) -> Path:
    """Return the file of a segment."""
    return home / f"{number:010d}.log"


def refusal(error: OSError, place: Path) -> ArthaflowError:
    """Return what a client is told when the journal could not be written."""
    if error.errno in FULL:
        return LogFull(
            f"The prediction log cannot be written: {error.strerror}.",
            f"Ask again; the operator frees space under {place.parent}.",
        )
    return LogUnwritable(f"The prediction log cannot be written: {error.strerror}.", f"The operator checks {place}.")
