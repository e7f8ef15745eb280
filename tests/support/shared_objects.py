"""Which shared libraries the binaries of an environment need and nobody brings.

A package that asks for a library of the system imports here, where a desktop's libraries are, and fails in an image.
"""

from __future__ import annotations

import struct
from pathlib import Path

SLIM = {
    "ld-linux-x86-64.so.2", "libc.so.6", "libdl.so.2", "libgcc_s.so.1", "libm.so.6", "libpthread.so.0", "libresolv.so.2",
    "librt.so.1", "libstdc++.so.6", "libutil.so.1", "libz.so.1",
}  # fmt: skip
"""What the base image has: the C and C++ run time and zlib."""
STRINGS, NEEDED = 5, 1


def missing(folder: Path) -> dict[str, list[str]]:
    """Return the libraries that neither the base image nor the folder has, with the binaries that need them."""
    binaries = [p for p in folder.rglob("*.so*") if p.is_file() and p.read_bytes()[:4] == b"\x7fELF"]
    assert binaries
    present = SLIM | {p.name for p in binaries}
    found: dict[str, list[str]] = {}
    for path in binaries:
        for name in needed(path) - present:
            found.setdefault(name, []).append(path.name)
    return found


def needed(path: Path) -> set[str]:
    """Return the ``DT_NEEDED`` entries of a 64-bit little-endian ELF file (System V ABI, chapter 5)."""
    data = path.read_bytes()
    headers, size, count = struct.unpack_from("<Q", data, 0x20)[0], *struct.unpack_from("<HH", data, 0x36)
    segments = [struct.unpack_from("<IIQQQQ", data, headers + i * size) for i in range(count)]
    tables = [(offset, length) for kind, _, offset, _, _, length in segments if kind == 2]
    if not tables:
        return set()
    offset, length = tables[0]
    entries = [struct.unpack_from("<qQ", data, offset + i) for i in range(0, length, 16)]
    address = next(value for tag, value in entries if tag == STRINGS)
    start = next(o + address - v for kind, _, o, v, _, n in segments if kind == 1 and v <= address < v + n)
    names = [start + value for tag, value in entries if tag == NEEDED]
    return {data[at : data.index(b"\0", at)].decode() for at in names}
