"""An OAuth 2.0 issuer on this machine: RS256 and ES256 keys, a key set over HTTP, rotation, outages.

>>> with issuer() as made:  # doctest: +SKIP
...     config = GatewaySettings(auth="oidc", issuer=made.url, jwks_url=made.jwks_url)
...     headers = {"Authorization": f"Bearer {made.token(role='app', tier='premium')}"}
"""

from __future__ import annotations

import base64
import json
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, rsa

PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey
AUDIENCE = "arthaflow"


@dataclass(frozen=True)
class SigningKey:
    """One key pair, with its id."""

    kid: str
    algorithm: str
    private: PrivateKey

    def jwk(self) -> dict[str, Any]:
        """The public half, as the key set shows it."""
        numbers: Any = self.private.public_key().public_numbers()
        if self.algorithm == "RS256":
            parts = {"kty": "RSA", "n": _b64(numbers.n), "e": _b64(numbers.e)}
        else:
            parts = {"kty": "EC", "crv": "P-256", "x": _b64(numbers.x, 32), "y": _b64(numbers.y, 32)}
        return parts | {"kid": self.kid, "use": "sig", "alg": self.algorithm}


@dataclass
class Issuer:
    """The issuer; its URL is its name in the tokens."""

    url: str
    keys: dict[str, SigningKey] = field(default_factory=dict)
    asked: int = 0
    """How often somebody fetched the key set."""
    published: bytes | None = None
    """What the key set says instead of the keys, for tests of broken ones."""
    redirect: str = ""
    """Where the key set's URL sends the reader instead."""
    is_away: bool = False

    @property
    def jwks_url(self) -> str:
        """Where the key set is."""
        return f"{self.url}/jwks.json"

    def rotate(self) -> None:
        """Make new keys of both kinds and forget the old ones: tokens that they signed are void."""
        self.keys = {name: new_key(name) for name in ("RS256", "ES256")}

    @contextmanager
    def away(self) -> Iterator[None]:
        """Answer 503 meanwhile."""
        self.is_away = True
        try:
            yield
        finally:
            self.is_away = False

    def jwks(self) -> dict[str, Any]:
        """The key set."""
        return {"keys": [key.jwk() for key in self.keys.values()]}

    def claims(self, role: Any = "app", tier: str | None = "authenticated", **claims: Any) -> dict[str, Any]:
        """The claims of a good token; ``claims`` come on top, None takes one away."""
        now = int(time.time())
        made = {"iss": self.url, "aud": AUDIENCE, "sub": "tester", "iat": now, "nbf": now, "exp": now + 600}
        made |= {"jti": uuid.uuid4().hex, "role": role, "tier": tier}
        return {name: value for name, value in (made | claims).items() if value is not None}

    def token(
        self,
        role: Any = "app",
        tier: str | None = "authenticated",
        *,
        algorithm: str = "ES256",
        headers: dict[str, Any] | None = None,
        **claims: Any,
    ) -> str:
        """Return a signed token; ``headers`` come on top of ``kid``."""
        key = self.keys[algorithm]
        made = {"kid": key.kid} | (headers or {})
        return jwt.encode(self.claims(role, tier, **claims), key.private, algorithm, headers=made)

    def tokens(self, role: Any = "app", tier: str | None = "authenticated", **claims: Any) -> dict[str, str]:
        """Return the request headers that carry such a token."""
        return {"Authorization": f"Bearer {self.token(role, tier, **claims)}"}


def new_key(algorithm: str) -> SigningKey:
    """Make a key pair: RSA of 2048 bits, or the curve P-256."""
    made: PrivateKey = (
        rsa.generate_private_key(65537, 2048) if algorithm == "RS256" else ec.generate_private_key(ec.SECP256R1())
    )
    return SigningKey(f"{algorithm}-{uuid.uuid4().hex[:8]}", algorithm, made)


@contextmanager
def issuer() -> Iterator[Issuer]:
    """Run an issuer on a free port of this machine."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    made = Issuer(f"http://127.0.0.1:{server.server_address[1]}")
    made.rotate()
    server.issuer = made  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield made
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        told: Issuer = self.server.issuer  # type: ignore[attr-defined]
        if told.is_away:
            return self._answer(503, b"{}")
        if self.path == "/.well-known/openid-configuration":
            return self._answer(200, json.dumps({"issuer": told.url, "jwks_uri": told.jwks_url}).encode())
        if self.path != "/jwks.json":
            return self._answer(404, b"{}")
        told.asked += 1
        if told.redirect:
            return self._answer(302, b"", [("Location", told.redirect)])
        return self._answer(200, told.published or json.dumps(told.jwks()).encode())

    def _answer(self, status: int, body: bytes, headers: list[tuple[str, str]] | None = None) -> None:
        self.send_response(status)
        for name, value in [("Content-Type", "application/json"), *(headers or [])]:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


def _b64(number: int, length: int = 0) -> str:
    raw = number.to_bytes(length or (number.bit_length() + 7) // 8, "big")
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
