"""From which address a request comes, and whether that address is on a list."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import TYPE_CHECKING, Any

from components.errors import ConfigurationError

if TYPE_CHECKING:
    from inference.gateway.config import GatewaySettings

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

HOPS = 32
"""Most entries of ``X-Forwarded-For`` that are looked at; a longer one is a client's invention."""


def networks(text: str, setting: str) -> tuple[Network, ...]:
    """Parse a comma-separated list of networks.

    Raises
    ------
    ConfigurationError
        With the entry that is none.

    Examples
    --------
    >>> networks("10.0.0.0/8, ::1", "admin_networks")
    (IPv4Network('10.0.0.0/8'), IPv6Network('::1/128'))
    """
    return tuple(_network(entry, setting) for entry in (part.strip() for part in text.split(",")) if entry)


def parse(text: str) -> Address | None:
    """Return an address, an IPv4-mapped one as IPv4; None if it is none (a unix socket's peer, nonsense).

    Examples
    --------
    >>> parse("::ffff:10.1.2.3"), parse("unix:")
    (IPv4Address('10.1.2.3'), None)
    """
    return _parse(text) if len(text) <= 64 else None


def among(address: Address | None, listed: Sequence[Network]) -> bool:
    """Whether an address is in one of the networks."""
    return address is not None and any(address in network for network in listed)


def client_of(scope: Mapping[str, Any], trusted: Sequence[Network]) -> str:
    """Return the address that a request comes from.

    The peer's, unless it is a trusted proxy: then the right-most entry of ``X-Forwarded-For`` that is no trusted proxy,
    because entries left of it are whatever the client wrote.

    Parameters
    ----------
    scope : mapping
        ASGI scope.
    trusted : sequence of networks
        The proxies.

    Returns
    -------
    str
        Canonical text; empty where the peer has no address (a unix socket without a proxy's header).
    """
    peer = scope.get("client")
    nearest = parse(peer[0]) if peer else None
    if not trusted or not among(nearest, trusted):
        return str(nearest) if nearest is not None else ""
    named = [value for name, value in scope["headers"] if name == b"x-forwarded-for"]
    hops = b",".join(named).decode("latin-1").split(",")[-HOPS:]
    for hop in reversed(hops):
        address = parse(_bare(hop.strip()))
        if address is None:
            break
        nearest = address
        if not among(address, trusted):
            break
    return str(nearest)


def direct(scope: Mapping[str, Any], trusted: Sequence[Network]) -> bool:
    """Whether the peer is the client, or a proxy that is trusted to name it.

    An unknown proxy's own address, often this machine's, must not stand for everybody behind it.
    """
    peer = scope.get("client")
    if among(parse(peer[0]) if peer else None, trusted):
        return True
    return not any(name in (b"x-forwarded-for", b"forwarded") for name, _ in scope["headers"])


def client_address(scope: Mapping[str, Any], config: GatewaySettings) -> str:
    """Return the address that a request comes from, with the settings' trusted proxies; see :func:`client_of`."""
    return client_of(scope, _cached(config.trusted_proxies, "trusted_proxies"))


def truncated(client: str) -> str:
    """Return an address as the access log may hold it: the /24 of IPv4, the /48 of IPv6, nothing of anything else.

    Examples
    --------
    >>> truncated("192.0.2.77"), truncated("2001:db8:1:2::5"), truncated("")
    ('192.0.2.0', '2001:db8:1::', '')
    """
    address = parse(client)
    if address is None:
        return ""
    drop = 8 if isinstance(address, IPv4Address) else 80
    return str(type(address)(int(address) >> drop << drop))


def share(client: str) -> str:
    """Return what counts as one client: an IPv4 address, or the /64 that an IPv6 client picks its addresses from.

    Examples
    --------
    >>> share("2001:db8::1:2:3:4"), share("10.0.0.1")
    ('2001:db8::/64', '10.0.0.1')
    """
    address = parse(client)
    if isinstance(address, IPv6Address):
        return str(IPv6Network((int(address) >> 64 << 64, 64)))
    return client if address is None else str(address)


def _network(entry: str, setting: str) -> Network:
    try:
        return ip_network(entry)
    except ValueError as error:
        variable = f"ARTHAFLOW_GATEWAY_{setting.upper()}"
        raise ConfigurationError(
            f"{entry!r:.80} in {variable} is no network: {error}.", "Write networks such as 10.0.0.0/8, 192.0.2.7, ::1."
        ) from error


def _bare(hop: str) -> str:
    """Strip port and brackets: ``[::1]:80``, ``10.0.0.1:80``."""
    if hop.startswith("["):
        return hop[1:].partition("]")[0]
    return hop.partition(":")[0] if hop.count(":") == 1 else hop


@lru_cache(maxsize=16)
def _cached(text: str, setting: str) -> tuple[Network, ...]:
    return networks(text, setting)


@lru_cache(maxsize=8192)
def _parse(text: str) -> Address | None:
    try:
        address = ip_address(text)
    except ValueError:
        return None
    if isinstance(address, IPv6Address):
        if address.scope_id is not None:
            address = IPv6Address(int(address))
        return address.ipv4_mapped or address
    return address
