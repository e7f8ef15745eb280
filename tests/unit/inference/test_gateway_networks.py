"""Addresses, proxies, and who may call admin routes."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from components.errors import ArthaflowError, ConfigurationError
from inference.gateway.caller import Caller, Forbidden
from inference.gateway.config import GatewaySettings
from inference.gateway.identity.door_keeper import DoorKeeper
from inference.gateway.identity.networks import among, client_of, networks, parse, share
from inference.gateway.identity.refusals import Unauthorized
from inference.gateway.identity.routes import is_admin, is_public

PROXIES = networks("10.0.0.0/8, fd00::/8", "trusted_proxies")


def scope(peer: str | None, *forwarded: str, path: str = "/api/ml/x", method: str = "POST") -> dict[str, Any]:
    headers = [(b"x-forwarded-for", value.encode("latin-1")) for value in forwarded]
    client = None if peer is None else (peer, 1234)
    return {"method": method, "path": path, "query_string": b"", "client": client, "headers": headers}


@pytest.mark.parametrize(
    ("peer", "forwarded", "client"),
    [
        ("203.0.113.5", [], "203.0.113.5"),
        ("203.0.113.5", ["127.0.0.1"], "203.0.113.5"),
        ("10.1.1.1", ["203.0.113.5"], "203.0.113.5"),
        ("10.1.1.1", ["127.0.0.1, 203.0.113.5"], "203.0.113.5"),
        ("10.1.1.1", ["127.0.0.1, 203.0.113.5, 10.2.2.2"], "203.0.113.5"),
        ("10.1.1.1", ["127.0.0.1", "203.0.113.5, 10.2.2.2"], "203.0.113.5"),
        ("10.1.1.1", ["10.9.9.9, 10.2.2.2"], "10.9.9.9"),
        ("10.1.1.1", ["127.0.0.1, nonsense, 10.2.2.2"], "10.2.2.2"),
        ("10.1.1.1", [""], "10.1.1.1"),
        ("10.1.1.1", ["203.0.113.5:443"], "203.0.113.5"),
        ("10.1.1.1", ["[2001:db8::1]:443"], "2001:db8::1"),
        ("::ffff:10.1.1.1", ["::ffff:203.0.113.5"], "203.0.113.5"),
        ("::ffff:203.0.113.5", ["127.0.0.1"], "203.0.113.5"),
        ("fd00::1", ["2001:db8::7"], "2001:db8::7"),
        ("10.1.1.1", ["1.1.1.1," * 100_000 + "203.0.113.5"], "203.0.113.5"),
        ("10.1.1.1", ["0177.0.0.1"], "10.1.1.1"),
        (None, ["127.0.0.1"], ""),
        ("", ["127.0.0.1"], ""),
    ],
)
def test_client_is_the_rightmost_address_that_is_no_trusted_proxy(peer: str, forwarded: list[str], client: str) -> None:
    assert client_of(scope(peer, *forwarded), PROXIES) == client


def test_nobody_is_believed_where_no_proxy_is_trusted() -> None:
    assert client_of(scope("127.0.0.1", "8.8.8.8"), ()) == "127.0.0.1"


def test_mapped_addresses_are_on_the_lists_of_ipv4() -> None:
    listed = networks("127.0.0.0/8,::1", "admin_networks")
    assert among(parse("::ffff:127.0.0.1"), listed)
    assert among(parse("::1"), listed)
    assert not among(parse("::ffff:8.8.8.8"), listed)
    assert not among(parse("unix:"), listed)
    assert share("::ffff:8.8.8.8") == "8.8.8.8"


@pytest.mark.parametrize("text", ["10.0.0.1/8", "localhost", "10.0.0.0/33", "10.0.0.0/8;::1"])
def test_a_setting_that_is_no_network_is_named(text: str) -> None:
    with pytest.raises(ConfigurationError, match="ARTHAFLOW_GATEWAY_ADMIN_NETWORKS"):
        networks(text, "admin_networks")


def admitted(home: Path, asked: dict[str, Any], **values: Any) -> Caller | ArthaflowError:
    keeper = DoorKeeper(GatewaySettings(**values), home)

    async def go() -> Caller:
        await keeper.start()
        try:
            return await keeper.admit(asked)
        finally:
            await keeper.close()

    try:
        return asyncio.run(go())
    except ArthaflowError as error:
        return error


@pytest.mark.parametrize("path", ["/admin/deploy", "/admin", "//admin/deploy", "/Admin/x", "/api/v1/ml/audit/verify"])
def test_admin_routes_are_closed_to_other_networks_before_any_token_is_read(path: str, tmp_path: Path) -> None:
    refused = admitted(tmp_path, scope("203.0.113.5", path=path))
    assert isinstance(refused, Forbidden)
    assert "203.0.113.5" in refused.problem
    spoofed = admitted(tmp_path, scope("203.0.113.5", "127.0.0.1", path=path))
    assert isinstance(spoofed, Forbidden)
    assert isinstance(admitted(tmp_path, scope(None, path=path)), Forbidden)
    assert isinstance(admitted(tmp_path, scope("127.0.0.1", path=path)), Unauthorized), "the token comes next"
    behind = admitted(tmp_path, scope("10.0.0.1", "127.0.0.1, 203.0.113.5", path=path), trusted_proxies="10.0.0.0/8")
    assert isinstance(behind, Forbidden)


def test_with_auth_off_everybody_is_an_application_and_admin_routes_are_closed(tmp_path: Path) -> None:
    caller = admitted(tmp_path, scope("203.0.113.5"), auth="off")
    assert isinstance(caller, Caller)
    assert (caller.role, caller.tier) == ("app", "authenticated")
    assert len(caller.pseudonym) == 32
    closed = admitted(tmp_path, scope("127.0.0.1", path="/admin/deploy"), auth="off")
    assert isinstance(closed, Forbidden)
    assert "ARTHAFLOW_GATEWAY_AUTH" in closed.problem


def test_public_routes_need_no_token(tmp_path: Path) -> None:
    caller = admitted(tmp_path, scope("203.0.113.5", path="/healthz", method="GET"))
    assert isinstance(caller, Caller)
    assert (caller.role, caller.tier, caller.scopes) == ("public", "public", frozenset())


@pytest.mark.parametrize(
    ("method", "path", "public"),
    [
        ("GET", "/healthz", True),
        ("HEAD", "/ready", True),
        ("GET", "/metrics", True),
        ("GET", "/openapi.json", True),
        ("GET", "/docs", True),
        ("GET", "/redoc", True),
        ("GET", "/.well-known/jwks.json", True),
        ("GET", "/api", True),
        ("POST", "/api", False),
        ("DELETE", "/healthz", False),
        ("GET", "/healthz/../api/ml/models", False),
        ("GET", "/metrics/x", False),
        ("GET", "/api/ml/models", False),
        ("GET", "/", False),
        ("GET", "", False),
    ],
)
def test_which_routes_are_public(method: str, path: str, public: bool) -> None:
    assert is_public(method, path) is public


def test_the_prefix_under_which_a_proxy_mounts_the_application_is_no_part_of_a_route(tmp_path: Path) -> None:
    mounted = scope("203.0.113.5", path="/ml/admin/deploy") | {"root_path": "/ml"}
    assert isinstance(admitted(tmp_path, mounted), Forbidden)
    assert not is_admin("/api/v1/ml/models")
