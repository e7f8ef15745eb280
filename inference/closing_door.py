"""Close a listening socket without resetting anybody: new handshakes are ignored first, pending ones are accepted,
then it closes.

Closing a listening socket resets the connections that the kernel has completed but the process has not accepted yet; a
client that has already written its request then sees a reset and cannot know whether it was served. A one-condition
packet filter on the socket drops new SYN segments; whoever tries in that moment tries again a second later and is
refused cleanly.
"""

from __future__ import annotations

import ctypes
import errno
import socket
import struct

SO_ATTACH_FILTER = 26
_LOAD_BYTE, _JUMP_IF_SET, _RETURN = 0x30, 0x45, 0x06
_FLAGS_OFFSET, _SYN = 13, 0x02
_DROP_SYN = (
    (_LOAD_BYTE, 0, 0, _FLAGS_OFFSET),
    (_JUMP_IF_SET, 0, 1, _SYN),
    (_RETURN, 0, 0, 0),
    (_RETURN, 0, 0, 0xFFFFFFFF),
)
"""Classic BPF over the TCP header: drop a segment whose SYN flag is set, pass any other."""


def ignore_new_connections(listening: socket.socket) -> bool:
    """Make the kernel ignore new handshakes on a listening socket; return whether it can (Linux)."""
    code = b"".join(struct.pack("HBBI", *instruction) for instruction in _DROP_SYN)
    buffer = ctypes.create_string_buffer(code)
    program = struct.pack("HL", len(_DROP_SYN), ctypes.addressof(buffer))
    try:
        listening.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, program)
    except OSError as error:
        if error.errno in (errno.ENOPROTOOPT, errno.EINVAL, errno.EOPNOTSUPP, errno.EPERM):
            return False
        raise
    return True
