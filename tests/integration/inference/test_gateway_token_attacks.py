"""Attacks on bearer tokens, over HTTP, against a real issuer's key set."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from inference.gateway.config import GatewaySettings
from tests.support.guarded import Guarded, guarded
from tests.support.issuer import Issuer, issuer, new_key

LEEWAY_S = 30.0
Forge = Callable[[Issuer], str]


@pytest.fixture(scope="module")
def authority() -> Iterator[Issuer]:
    with issuer() as made:
        yield made


@pytest.fixture(scope="module")
def door(authority: Issuer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    config = GatewaySettings(auth="oidc", issuer=authority.url, jwks_url=authority.jwks_url, jwks_retry_s=0.05)
    with guarded(config, tmp_path_factory.mktemp("home")) as made:
        made.keeper.failures.per_minute = 10**6
        yield made


def b64(value: Any) -> str:
    raw = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def unsigned(header: dict[str, Any], claims: dict[str, Any], signature: bytes = b"") -> str:
    return f"{b64(header)}.{b64(claims)}.{b64(signature)}"


def hmac_with_public_key(made: Issuer, algorithm: str) -> str:
    key = made.keys[algorithm]
    pem = key.private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    signed = f"{b64({'alg': 'HS256', 'typ': 'JWT', 'kid': key.kid})}.{b64(made.claims('admin'))}"
    return f"{signed}.{b64(hmac.new(pem, signed.encode(), hashlib.sha256).digest())}"


def by_foreign_key(made: Issuer, algorithm: str, **headers: Any) -> str:
    foreign = new_key(algorithm)
    told = {"kid": made.keys[algorithm].kid} | headers
    return jwt.encode(made.claims("admin"), foreign.private, algorithm, headers=told)


def with_own_jwk(made: Issuer) -> str:
    foreign = new_key("ES256")
    told = {"kid": made.keys["ES256"].kid, "jwk": foreign.jwk()}
    return jwt.encode(made.claims("admin"), foreign.private, "ES256", headers=told)


def tampered(made: Issuer) -> str:
    header, _, signature = made.token("app").split(".")
    return f"{header}.{b64(made.claims('admin'))}.{signature}"


def bit_flipped(made: Issuer) -> str:
    head, _, signature = made.token("app", algorithm="RS256").rpartition(".")
    return f"{head}.{'A' if signature[20] != 'A' else 'B'}{signature[1:]}"


def swapped_algorithm(made: Issuer) -> str:
    """An RSA key's id under an ES256 header, signed by a real ES256 key of the issuer."""
    key = made.keys["ES256"]
    return jwt.encode(made.claims(), key.private, "ES256", headers={"kid": made.keys["RS256"].kid})


def duplicate_claims(made: Issuer) -> str:
    """A header that names two algorithms."""
    kid = made.keys["ES256"].kid
    header = f'{{"alg":"ES256","kid":"{kid}","alg":"none"}}'.encode()
    return f"{b64(header)}.{b64(made.claims())}.{b64(b'')}x"


def soon() -> int:
    return int(time.time())


TABLE: dict[str, tuple[Forge, str]] = {
    "alg none": (lambda i: unsigned({"alg": "none", "kid": i.keys["ES256"].kid}, i.claims("admin"), b"x"), "alg"),
    "alg none, no signature": (lambda i: unsigned({"alg": "none"}, i.claims("admin")), "three parts"),
    "alg NoNe": (lambda i: unsigned({"alg": "NoNe", "kid": i.keys["ES256"].kid}, i.claims(), b"x"), "alg"),
    "alg missing": (lambda i: unsigned({"kid": i.keys["ES256"].kid}, i.claims(), b"x"), "alg"),
    "alg a list": (lambda i: unsigned({"alg": ["ES256"], "kid": i.keys["ES256"].kid}, i.claims(), b"x"), "alg"),
    "two algs": (duplicate_claims, "alg"),
    "HS256 with the RSA public key": (lambda i: hmac_with_public_key(i, "RS256"), "alg"),
    "HS256 with the EC public key": (lambda i: hmac_with_public_key(i, "ES256"), "alg"),
    "RS512": (lambda i: jwt.encode(i.claims(), i.keys["RS256"].private, "RS512", {"kid": i.keys["RS256"].kid}), "alg"),
    "PS256": (lambda i: jwt.encode(i.claims(), i.keys["RS256"].private, "PS256", {"kid": i.keys["RS256"].kid}), "alg"),
    "wrong RSA key": (lambda i: by_foreign_key(i, "RS256"), "signature"),
    "wrong EC key": (lambda i: by_foreign_key(i, "ES256"), "signature"),
    "RSA key under ES256": (swapped_algorithm, "alg is not the RS256"),
    "tampered payload": (tampered, "signature"),
    "signature altered": (bit_flipped, "signature"),
    "EC signature of zeros": (
        lambda i: unsigned({"alg": "ES256", "kid": i.keys["ES256"].kid}, i.claims("admin"), bytes(64)),
        "signature",
    ),
    "expired": (lambda i: i.token(exp=soon() - int(LEEWAY_S) - 5), "expired"),
    "not valid yet": (lambda i: i.token(nbf=soon() + int(LEEWAY_S) + 60), "not valid yet"),
    "issued in the future": (lambda i: i.token(iat=soon() + int(LEEWAY_S) + 60), "not valid yet"),
    "no exp": (lambda i: i.token(exp=None), "lacks the claim 'exp'"),
    "no iat": (lambda i: i.token(iat=None), "lacks the claim 'iat'"),
    "no aud": (lambda i: i.token(aud=None), "lacks the claim 'aud'"),
    "no iss": (lambda i: i.token(iss=None), "lacks the claim 'iss'"),
    "no sub": (lambda i: i.token(sub=None), "lacks the claim 'sub'"),
    "exp a text": (lambda i: i.token(exp="never"), "The token"),
    "exp a numeric text": (lambda i: i.token(exp=str(soon() + 600)), "no time"),
    "exp true": (lambda i: i.token(exp=True), "The token"),
    "exp infinite": (lambda i: i.token(exp=float("inf")), "The token"),
    "exp enormous": (lambda i: i.token(exp=10**400), "no time"),
    "nbf negative": (lambda i: i.token(nbf=-1), "no time"),
    "sub empty": (lambda i: i.token(sub=""), "sub"),
    "sub a number": (
        lambda i: jwt.api_jws.encode(
            json.dumps(i.claims(sub=7)).encode(), i.keys["ES256"].private, "ES256", {"kid": i.keys["ES256"].kid}
        ),
        "The token",
    ),
    "wrong audience": (lambda i: i.token(aud="somebody-else"), "audience"),
    "wrong audiences": (lambda i: i.token(aud=["a", "b"]), "audience"),
    "audience a prefix": (lambda i: i.token(aud="arthaflow-admin"), "audience"),
    "wrong issuer": (lambda i: i.token(iss="https://issuer.example"), "issuer"),
    "issuer with a slash": (lambda i: i.token(iss=i.url + "/"), "issuer"),
    "kid unknown": (lambda i: by_foreign_key(i, "ES256", kid="unknown"), "kid"),
    "kid a path": (lambda i: by_foreign_key(i, "ES256", kid="../../../../dev/null"), "kid"),
    "kid SQL": (lambda i: by_foreign_key(i, "ES256", kid="x' UNION SELECT 'key"), "kid"),
    "kid a URL": (lambda i: by_foreign_key(i, "ES256", kid="http://127.0.0.1:1/jwks"), "kid"),
    "kid a command": (lambda i: by_foreign_key(i, "ES256", kid="key|/bin/ls"), "kid"),
    "kid with NUL": (lambda i: by_foreign_key(i, "ES256", kid=i.keys["ES256"].kid + "\0"), "kid"),
    "kid with a newline": (lambda i: by_foreign_key(i, "ES256", kid=i.keys["ES256"].kid + "\n"), "kid"),
    "kid empty": (lambda i: by_foreign_key(i, "ES256", kid=""), "kid"),
    "kid huge": (lambda i: by_foreign_key(i, "ES256", kid="k" * 2000), "kid"),
    "kid an object": (
        lambda i: unsigned({"alg": "ES256", "kid": {"$ne": ""}}, i.claims("admin"), bytes(64)),
        "kid",
    ),
    "kid missing": (lambda i: unsigned({"alg": "ES256"}, i.claims("admin"), bytes(64)), "kid"),
    "jku of the attacker": (lambda i: by_foreign_key(i, "ES256", jku="http://127.0.0.1:1/jwks.json"), "signature"),
    "x5u of the attacker": (lambda i: by_foreign_key(i, "RS256", x5u="http://127.0.0.1:1/cert.pem"), "signature"),
    "jwk of the attacker": (with_own_jwk, "signature"),
    "crit": (lambda i: i.token(headers={"crit": ["exp"]}), "crit"),
    "crit b64": (lambda i: i.token(headers={"crit": ["b64"], "b64": True}), "crit"),
    "typ of a logout token": (lambda i: i.token(headers={"typ": "logout+jwt"}), "typ"),
    "typ of a DPoP proof": (lambda i: i.token(headers={"typ": "dpop+jwt"}), "typ"),
    "encrypted, five parts": (lambda i: i.token() + ".a.b", "three parts"),
    "spaces": (lambda i: " " + i.token(), "three parts"),
    "two tokens": (lambda i: f"{i.token()}, Bearer {i.token()}", "three parts"),
    "padding": (lambda i: i.token() + "==", "three parts"),
    "header no JSON": (lambda i: f"{b64(b'{')}.{b64(b'{}')}.x", "header"),
    "header a list": (lambda i: f"{b64([])}.{b64(b'{}')}.x", "header"),
    "header deep": (lambda i: f"{b64(b'[' * 3000)}.{b64(b'{}')}.x", "header"),
    "payload no object": (
        lambda i: jwt.api_jws.encode(b"[1]", i.keys["ES256"].private, "ES256", {"kid": i.keys["ES256"].kid}),
        "malformed",
    ),
    "huge": (lambda i: i.token(padding="x" * 9000), "longer than"),
}


@pytest.mark.parametrize("name", TABLE)
def test_attack_is_refused(door: Guarded, authority: Issuer, name: str) -> None:
    forge, said = TABLE[name]
    token = forge(authority)
    answer = door.ask(token)
    assert answer.status_code == 401, answer.text
    challenge = answer.headers["www-authenticate"]
    assert challenge.startswith('Bearer realm="arthaflow", error="invalid_token", error_description="')
    assert said in answer.json()["error"]["message"]
    assert answer.json()["error"]["code"] == "UNAUTHORIZED"
    for part in token.split("."):
        assert len(part) < 16 or (part not in challenge and part not in answer.text), "the answer quotes the token"
    assert len(door.keeper.seen) == 0 or door.keeper.seen.get(token.encode(), door.keeper._keys.keys, 0) is None


GOOD: dict[str, Forge] = {
    "ES256": lambda i: i.token(),
    "RS256": lambda i: i.token(algorithm="RS256"),
    "one of several audiences": lambda i: i.token(aud=["other", "arthaflow"]),
    "expired within the leeway": lambda i: i.token(exp=soon() - 5),
    "not valid yet, within the leeway": lambda i: i.token(nbf=soon() + 20, iat=soon() + 20),
    "typ at+jwt": lambda i: i.token(headers={"typ": "at+jwt"}),
    "a jku that nobody follows": lambda i: i.token(headers={"jku": "http://127.0.0.1:1/jwks.json"}),
}


@pytest.mark.parametrize("name", GOOD)
def test_good_token_is_admitted_twice(door: Guarded, authority: Issuer, name: str) -> None:
    token = GOOD[name](authority)
    first, second = door.ask(token), door.ask(token)
    assert first.status_code == second.status_code == 200, first.text
    assert first.json() == second.json()
    assert first.json()["role"] == "app"
    assert first.json()["pseudonym"] != "tester"


def test_no_token_gets_a_challenge_without_an_error(door: Guarded) -> None:
    answer = door.ask()
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == 'Bearer realm="arthaflow"'


@pytest.mark.parametrize("scheme", ["Basic dXNlcjpwYXNz", "Token x", "Bearer", "bearertoken"])
def test_other_schemes_are_refused(door: Guarded, scheme: str) -> None:
    assert door.ask(headers={"Authorization": scheme}).status_code == 401


@pytest.mark.parametrize(
    "value", [b"", b"Bearer", b"Bearer ", b"Bearer  ", b"Bearer .", b"Bearer ..", b"Bearer " + b"a" * 20_000]
)
def test_empty_and_huge_headers_admit_nobody(door: Guarded, value: bytes) -> None:
    answer = door.raw(
        b"POST /api/ml/x HTTP/1.1\r\nHost: x\r\nAuthorization: " + value + b"\r\nContent-Length: 0\r\n\r\n"
    )
    assert answer.startswith(b"HTTP/1.1 401")
    assert b"www-authenticate: Bearer" in answer


def test_scheme_is_read_in_any_case(door: Guarded, authority: Issuer) -> None:
    assert door.ask(headers={"Authorization": f"bEARER {authority.token()}"}).status_code == 200


@pytest.mark.parametrize("where", ["?access_token={}", "?x=1&access_token={}", "?Access_Token={}"])
def test_token_in_the_query_string_is_refused(door: Guarded, authority: Issuer, where: str) -> None:
    token = authority.token()
    assert door.ask(path="/api/ml/x" + where.format(token)).status_code == 401
    both = door.ask(token, path="/api/ml/x" + where.format(token))
    assert both.status_code == 401
    assert 'error="invalid_request"' in both.headers["www-authenticate"]
    assert token not in both.text


def test_a_parameter_that_only_looks_like_it_is_none(door: Guarded, authority: Issuer) -> None:
    assert door.ask(authority.token(), path="/api/ml/x?my_access_token=1").status_code == 200


@pytest.mark.parametrize("same", [True, False])
def test_two_authorization_headers_are_refused(door: Guarded, authority: Issuer, same: bool) -> None:
    first = authority.token("app")
    second = first if same else authority.token("admin")
    request = f"POST /api/ml/x HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {first}\r\nAuthorization: Bearer {second}\r\nContent-Length: 0\r\n\r\n"
    answer = door.raw(request.encode())
    assert answer.startswith(b"HTTP/1.1 401")
    assert b"more than one Authorization" in answer


@pytest.mark.parametrize("bad", [b"\0", b"\n", b"\r", b"\x0b", b"\xff", b"\t"])
def test_control_characters_in_the_header_admit_nobody(door: Guarded, authority: Issuer, bad: bytes) -> None:
    token = authority.token().encode()
    request = b"POST /api/ml/x HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer " + token[:40] + bad + token[40:]
    answer = door.raw(request + b"\r\nContent-Length: 0\r\n\r\n")
    assert answer.split(b" ")[1] in (b"400", b"401")


@pytest.mark.parametrize(
    ("claims", "status", "role", "scopes"),
    [
        ({"role": "data_scientist"}, 200, "data_scientist", None),
        ({"role": ["offline_access", "app", "ml_engineer"]}, 200, "ml_engineer", None),
        ({"role": "admin", "scope": "predict models:read openid"}, 200, "admin", ["models:read", "predict"]),
        ({"role": "app", "scope": "audit:erase"}, 200, "app", []),
        ({"role": "app", "scope": ""}, 200, "app", []),
        ({"role": "root"}, 403, "", None),
        ({"role": "public"}, 403, "", None),
        ({"role": []}, 403, "", None),
        ({"role": {"admin": True}}, 403, "", None),
        ({"role": None}, 403, "", None),
        ({"role": "app", "tier": "gold"}, 403, "", None),
        ({"role": "app", "tier": ["premium"]}, 403, "", None),
    ],
)
def test_roles(
    door: Guarded, authority: Issuer, claims: dict[str, Any], status: int, role: str, scopes: list[str] | None
) -> None:
    answer = door.ask(authority.token(**claims))
    assert answer.status_code == status, answer.text
    if status == 200:
        assert answer.json()["role"] == role
        assert scopes is None or answer.json()["scopes"] == scopes
    else:
        assert "one of:" in answer.json()["error"]["details"]["remedy"]


def test_tiers(door: Guarded, authority: Issuer) -> None:
    assert door.ask(authority.token(tier="premium")).json()["tier"] == "premium"
    assert door.ask(authority.token(tier=None)).json()["tier"] == "authenticated"


def test_guessing_is_slowed_down_but_known_tokens_pass(authority: Issuer, tmp_path: Path) -> None:
    config = GatewaySettings(auth="oidc", issuer=authority.url, jwks_url=authority.jwks_url)
    with guarded(config, tmp_path) as door:
        known = authority.token()
        assert door.ask(known).status_code == 200
        statuses = [door.ask("a.b.c").status_code for _ in range(70)]
        assert statuses == [401] * 60 + [429] * 10
        refused = door.ask(authority.token())
        assert refused.status_code == 429
        assert 1 <= int(refused.headers["retry-after"]) <= 60
        assert door.ask(known).status_code == 200
