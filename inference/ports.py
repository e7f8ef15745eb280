"""TCP ports: find a free one, and take one or say clearly who could not."""

from __future__ import annotations

import errno
import random
import socket

from components.errors import ConfigurationError, PortInUse

LOWEST, HIGHEST = 20_000, 32_000
"""Below the range from which Linux takes the ports of outgoing connections, so that traffic cannot take a port between
:func:`free_port` and the server's own bind."""

_given: set[int] = set()


def bind(host: str, port: int) -> socket.socket:
    """Return a listening-ready socket.

    Raises
    ------
    PortInUse
        If another process listens there.
    ConfigurationError
        If the port is none, or may not be used.
    """
    try:
        sock = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind((host, port))
    except OverflowError as error:
        sock.close()
        raise ConfigurationError(f"{port} is no port.", "Give a port from 1 to 65535, or 0 for a free one.") from error
    except OSError as error:
        sock.close()
        if error.errno == errno.EADDRINUSE:
            raise PortInUse(
                f"Port {port} on {host} is in use.", "Stop what listens there, or choose another port."
            ) from error
        raise ConfigurationError(f"Port {port} on {host} cannot be used ({error}).", "Choose another.") from error
    return sock


def free_port(host: str = "127.0.0.1") -> int:
    """Return a port that is free now, and never the same one twice in this process."""
    for _ in range(200):
        port = random.SystemRandom().randint(LOWEST, HIGHEST)
        if port in _given:
            continue
        try:
            bind(host, port).close()
        except PortInUse:
            continue
        _given.add(port)
        return port
    sock = bind(host, 0)
    with sock:
        return int(sock.getsockname()[1])
