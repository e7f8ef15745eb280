"""How records lie in a journal: magic, kind, length and CRC-32 before the bytes, so that a torn one is never read."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

MAGIC = b"\xa7\x4a"
HEADER = struct.Struct("<2scII")
LARGEST = 64 * 2**20
"""Bytes of one record."""

_LENGTH = struct.Struct("<I")


def frame(kind: bytes, body: bytes) -> bytes:
    """Return a record as it lies in the journal.

    Parameters
    ----------
    kind : bytes
        One byte that says what the body is.
    body : bytes
    """
    return HEADER.pack(MAGIC, kind, len(body), _crc(kind, body)) + body


@dataclass(frozen=True)
class Found:
    """One record in a piece of a journal.

    Attributes
    ----------
    kind, body : bytes
    end : int
        Where the record ends in the piece.
    """

    kind: bytes
    body: bytes
    end: int


def records(data: bytes, start: int = 0) -> Iterator[Found]:
    """Yield the whole records of a piece of a journal, from ``start`` to the first place where none begins."""
    place = start
    while (found := record_at(data, place)) is not None:
        yield found
        place = found.end


def record_at(data: bytes, place: int) -> Found | None:
    """Return the record that begins at ``place``, or None where there is no whole and sound one."""
    begin = place + HEADER.size
    if len(data) < begin:
        return None
    magic, kind, length, crc = HEADER.unpack_from(data, place)
    if magic != MAGIC or length > LARGEST or len(data) < begin + length:
        return None
    body = data[begin : begin + length]
    return Found(kind, body, begin + length) if _crc(kind, body) == crc else None


def next_record(data: bytes, place: int) -> int:
    """Return where the next sound record after damage begins, or -1."""
    place = data.find(MAGIC, place)
    while place >= 0 and record_at(data, place) is None:
        place = data.find(MAGIC, place + 1)
    return place


def _crc(kind: bytes, body: bytes) -> int:
    return zlib.crc32(body, zlib.crc32(kind + _LENGTH.pack(len(body))))
