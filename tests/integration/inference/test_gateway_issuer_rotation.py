"""The issuer's key set: rotation, outages, broken and hostile answers."""

from __future__ import annotations

import asyncio
import json
import stat
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from components.errors import ConfigurationError
from inference.gateway.config import GatewaySettings
from inference.gateway.identity.jwk import Unfit, read_key
from inference.gateway.identity.jwks import KeySet
from inference.gateway.identity.local_issuer import LocalIssuer
from tests.support.guarded import guarded
from tests.support.issuer import Issuer, issuer, new_key


def config(made: Issuer, **values: Any) -> GatewaySettings:
    return GatewaySettings(**{"auth": "oidc", "issuer": made.url, "jwks_url": made.jwks_url} | values)


def with_keys(made: Issuer, test: Callable[[KeySet], Awaitable[None]], **values: Any) -> None:
    """Run a test with a started key set of the issuer."""

    async def go() -> None:
        keys = KeySet(**{"source": made.jwks_url, "retry_s": 0.0} | values)
        await keys.start()
        try:
            await test(keys)
        finally:
            await keys.close()

    asyncio.run(go())


def test_a_rotated_key_is_found_and_the_old_one_is_void(tmp_path: Path) -> None:
    with issuer() as made, guarded(config(made, jwks_retry_s=0.01), tmp_path) as door:
        old = made.token()
        assert door.ask(old).status_code == 200
        made.rotate()
        assert door.ask(old).status_code == 200, "nobody has heard of the rotation yet"
        time.sleep(0.02)
        assert door.ask(made.token()).status_code == 200, "an unknown kid fetches the set anew"
        refused = door.ask(old)
        assert refused.status_code == 401, "a remembered token goes with its key"
        assert "kid" in refused.json()["error"]["message"]


def test_rotation_while_the_issuer_is_away(tmp_path: Path) -> None:
    with issuer() as made, guarded(config(made, jwks_retry_s=0.01), tmp_path) as door:
        before = made.token()
        with made.away():
            made.rotate()
            assert door.ask(made.token()).status_code == 401
            assert door.ask(before).status_code == 200, "the last good set stays"
        time.sleep(0.02)
        assert door.ask(made.token()).status_code == 200
        assert door.ask(before).status_code == 401


def test_before_the_first_key_set_it_is_an_outage_and_then_heals(tmp_path: Path) -> None:
    with issuer() as made:
        made.is_away = True
        with guarded(config(made, jwks_retry_s=0.01), tmp_path) as door:
            refused = door.ask(made.token())
            assert refused.status_code == 503
            assert refused.json()["error"]["code"] == "ISSUER_UNAVAILABLE"
            made.is_away = False
            time.sleep(0.02)
            assert door.ask(made.token()).status_code == 200


def test_the_set_is_refreshed_in_the_background() -> None:
    with issuer() as made:

        async def test(keys: KeySet) -> None:
            made.rotate()
            fresh = {key.kid for key in made.keys.values()}
            for _ in range(500):
                if set(keys.keys) == fresh:
                    break
                await asyncio.sleep(0.01)
            assert set(keys.keys) == fresh

        with_keys(made, test, refresh_s=0.02)


def test_unknown_kids_do_not_hammer_the_issuer() -> None:
    with issuer() as made:

        async def test(keys: KeySet) -> None:
            found = await asyncio.gather(*(keys.find(f"invented-{n}") for n in range(200)))
            assert found == [None] * 200
            assert made.asked <= 2

        with_keys(made, test, retry_s=30.0)


def test_discovery_tells_the_url_and_must_be_the_issuers_own() -> None:
    with issuer() as made:

        async def test(keys: KeySet) -> None:
            assert set(keys.keys) == {key.kid for key in made.keys.values()}

        async def foreign(keys: KeySet) -> None:
            assert not keys.keys
            assert "discovery" in keys.problem

        with_keys(made, test, source="", issuer=made.url)
        with_keys(made, foreign, source="", issuer=made.url + "/")


def test_a_redirect_elsewhere_is_refused_and_a_circle_ends() -> None:
    with issuer() as made, issuer() as other:

        async def elsewhere(keys: KeySet) -> None:
            assert not keys.keys
            assert "redirects" in keys.problem or "no http or https URL" in keys.problem
            assert other.asked == 0

        made.redirect = other.jwks_url
        with_keys(made, elsewhere)
        made.redirect = "file:///etc/passwd"
        with_keys(made, elsewhere)

        async def circle(keys: KeySet) -> None:
            assert not keys.keys
            assert made.asked < 10

        made.asked, made.redirect = 0, made.jwks_url
        with_keys(made, circle)


@pytest.mark.parametrize(
    ("published", "said"),
    [
        (b"<html>", "no JSON"),
        (b"[" * 100_000, "no JSON"),
        (b"[]", "no key set"),
        (b'{"keys": []}', "none of its keys"),
        (b'{"keys": {}}', "no key set"),
        (json.dumps({"keys": [{}] * 65}).encode(), "no key set"),
        (b" " * 300_000, "exceeds"),
    ],
)
def test_a_broken_set_leaves_the_last_good_one(published: bytes, said: str) -> None:
    with issuer() as made:

        async def test(keys: KeySet) -> None:
            good = dict(keys.keys)
            made.published = published
            await keys.refresh()
            assert keys.keys == good
            assert said in keys.problem
            made.published = None
            await keys.refresh()
            assert keys.problem == ""
            assert all(keys.keys[kid] is key for kid, key in good.items()), "unchanged keys stay the same objects"

        with_keys(made, test)


def test_a_slow_issuer_is_given_up() -> None:
    async def go() -> None:
        async def drip(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
            try:
                for _number in range(10_000):
                    writer.write(b" ")
                    await writer.drain()
                    await asyncio.sleep(0.01)
            except (ConnectionError, asyncio.CancelledError):
                writer.close()

        server = await asyncio.start_server(drip, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        keys = KeySet(f"http://127.0.0.1:{port}/jwks.json", timeout_s=0.2)
        await keys.start()
        assert "within 0.2 s" in keys.problem
        await keys.close()
        server.close()

    asyncio.run(go())


def test_weak_and_foreign_keys_are_left_out() -> None:
    strong = new_key("ES256").jwk()
    assert read_key(strong).algorithm == "ES256"
    weak_pair = rsa.generate_private_key(65537, 1024)
    weak = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(weak_pair.public_key())) | {"kid": "weak"}
    other_curve = json.loads(jwt.algorithms.ECAlgorithm.to_jwk(ec.generate_private_key(ec.SECP384R1()).public_key()))
    private = json.loads(jwt.algorithms.ECAlgorithm.to_jwk(ec.generate_private_key(ec.SECP256R1()))) | {
        "kid": "private"
    }
    weak.pop("key_ops", None)
    private.pop("key_ops", None)
    for told, why in [
        (weak, "1024 bits"),
        (other_curve | {"kid": "k"}, "P-256"),
        (private, "private"),
        (strong | {"use": "enc"}, "use"),
        (strong | {"key_ops": ["sign"]}, "key_ops"),
        (strong | {"alg": "HS256"}, "alg"),
        (strong | {"kid": ""}, "kid"),
        (strong | {"kid": None}, "kid"),
        (strong | {"x": "AAAA"}, "numbers"),
        (strong | {"y": strong["x"]}, "numbers"),
        (strong | {"x": 7}, "numbers"),
        ({"kty": "oct", "k": "c2VjcmV0", "kid": "k", "alg": "HS256"}, "neither RSA nor EC"),
        ("text", "object"),
    ]:
        with pytest.raises(Unfit, match=why):
            read_key(told)


def test_two_keys_of_one_kid_are_refused() -> None:
    with issuer() as made:
        made.published = json.dumps({"keys": [new_key("ES256").jwk() | {"kid": "same"} for _ in range(2)]}).encode()

        async def test(keys: KeySet) -> None:
            assert not keys.keys
            assert "one kid" in keys.problem

        with_keys(made, test)


@pytest.mark.parametrize(
    "values",
    [
        {"issuer": ""},
        {"issuer": "https://issuer.example", "audience": ""},
        {"issuer": "https://issuer.example", "jwks_url": "ftp://issuer.example/jwks"},
        {"issuer": "https://issuer.example", "jwks_url": "https://user:secret@issuer.example/jwks"},
        {"issuer": "no url"},
    ],
)
def test_settings_that_cannot_work_are_refused_at_once(values: dict[str, str], tmp_path: Path) -> None:
    with (
        pytest.raises(ConfigurationError, match="ARTHAFLOW_GATEWAY"),
        guarded(GatewaySettings(auth="oidc", **values), tmp_path),
    ):
        pass


def test_the_embedded_issuer_rotates(tmp_path: Path) -> None:
    made = LocalIssuer(tmp_path)
    with guarded(GatewaySettings(), tmp_path) as door:
        first = made.token("me", "app", "premium", 60)
        answer = door.ask(first)
        assert answer.json()["tier"] == "premium"
        made.rotate()
        time.sleep(0.6)
        assert door.ask(made.token("me", "ml_engineer")).json()["role"] == "ml_engineer"
        assert door.ask(first).status_code == 200, "the key before stays good"
        made.rotate(forget=True)
        time.sleep(0.6)
        assert door.ask(made.token("me", "app", scopes=["predict"])).json()["scopes"] == ["predict"]
        assert door.ask(first).status_code == 401
    files = [path for path in made.folder.iterdir() if path.suffix in (".pem", ".json")]
    assert len([path for path in files if path.suffix == ".pem"]) == 1
    assert all(stat.S_IMODE(path.stat().st_mode) == 0o600 for path in files)
    assert stat.S_IMODE(made.folder.stat().st_mode) == 0o700


def test_an_open_private_key_is_refused(tmp_path: Path) -> None:
    made = LocalIssuer(tmp_path)
    made.ensure()
    key = next(made.folder.glob("*.pem"))
    key.chmod(0o644)
    with pytest.raises(ConfigurationError, match="readable by others"):
        made.token("me", "app")
    key.chmod(0o600)
    key.write_bytes(b"nonsense")
    with pytest.raises(ConfigurationError, match="holds no key"):
        made.token("me", "app")


def test_tokens_of_one_homes_issuer_are_void_at_another(tmp_path: Path) -> None:
    with guarded(GatewaySettings(), tmp_path / "a") as door:
        assert door.ask(LocalIssuer(tmp_path / "b").token("me", "admin")).status_code == 401
