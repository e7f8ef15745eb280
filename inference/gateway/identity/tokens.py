"""Checks a bearer token: RFC 7519 and the advice of RFC 8725; algorithms are fixed and belong to the key."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import jwt
from jwt.exceptions import (
    ExpiredSignatureError,
    ImmatureSignatureError,
    InvalidAudienceError,
    InvalidIssuerError,
    InvalidSignatureError,
    MissingRequiredClaimError,
    PyJWTError,
)

from inference.gateway.identity.jwk import KID, Key
from inference.gateway.identity.jwks import KeySet
from inference.gateway.identity.refusals import Unauthorized

MOST_CHARACTERS = 8192
COMPACT = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+")
TYPES = frozenset({"jwt", "at+jwt", "application/at+jwt"})
"""RFC 9068's, and what most issuers write; anything else (a logout token, a proof of possession) is no access token."""
REQUIRED = ["iss", "aud", "exp", "iat", "sub"]
TIMES = ("exp", "iat", "nbf")
LONGEST_SUBJECT = 255
LATEST = 253402300799
"""31 December 9999; Python has no later day."""


@dataclass(frozen=True)
class Verified:
    """A good token.

    Attributes
    ----------
    claims : mapping
    key : Key
        The key that signed it.
    until : float
        When it ends to be good, leeway included, seconds since the epoch.
    """

    claims: Mapping[str, Any]
    key: Key
    until: float


class TokenVerifier:
    """Checks tokens of one issuer for one audience.

    Parameters
    ----------
    keys : KeySet
    issuer, audience : str
    leeway_s : float
        Clock skew that is forgiven, seconds.
    """

    def __init__(self, keys: KeySet, issuer: str, audience: str, leeway_s: float) -> None:
        self.keys, self.issuer, self.audience, self.leeway_s = keys, issuer, audience, leeway_s

    async def verify(self, token: str) -> Verified:
        """Return the claims of a good token.

        Raises
        ------
        Unauthorized
            With what is wrong; neither token nor key stand in it.
        IssuerAway
            No key is known yet.
        """
        if len(token) > MOST_CHARACTERS:
            raise Unauthorized(f"The token is longer than {MOST_CHARACTERS} characters.", reason="size")
        if not COMPACT.fullmatch(token):
            raise Unauthorized("The token is no signed JWT of three parts.", reason="form")
        kid, algorithm = _header(token)
        key = await self.keys.find(kid)
        if key is None:
            raise Unauthorized("The issuer has no key of the token's kid.", "Fetch a new token.", reason="key")
        if algorithm != key.algorithm:
            raise Unauthorized(f"The token's alg is not the {key.algorithm} of its key.", reason="algorithm")
        claims = self._claims(token, key)
        return Verified(claims, key, float(claims["exp"]) + self.leeway_s)

    def _claims(self, token: str, key: Key) -> dict[str, Any]:
        try:
            claims = jwt.decode(
                token,
                key=key.public,
                algorithms=[key.algorithm],
                audience=self.audience,
                issuer=self.issuer,
                leeway=self.leeway_s,
                options={"require": REQUIRED},
            )
        except PyJWTError as error:
            raise self._refusal(error) from None
        except (OverflowError, ValueError):
            raise Unauthorized("A time of the token is no time.", reason="claims") from None
        if not all(_is_time(claims[name]) for name in TIMES if name in claims):
            raise Unauthorized("A time of the token is no time.", reason="claims")
        if not 0 < len(claims["sub"]) <= LONGEST_SUBJECT:
            raise Unauthorized(f"The token's sub has not 1 to {LONGEST_SUBJECT} characters.", reason="claims")
        return dict(claims)

    def _refusal(self, error: PyJWTError) -> Unauthorized:
        """Say what is wrong in words of our own: a library's message may quote the token."""
        if isinstance(error, MissingRequiredClaimError):
            return Unauthorized(f"The token lacks the claim '{error.claim}'.", reason="claims")
        for kind, reason, problem, remedy in (
            (ExpiredSignatureError, "expired", "The token has expired.", "Fetch a new token."),
            (ImmatureSignatureError, "immature", "The token is not valid yet.", "Compare the clocks."),
            (InvalidAudienceError, "audience", "The token is for another audience.", f"Ask for {self.audience!r}."),
            (InvalidIssuerError, "issuer", "The token is of another issuer.", "Ask this gateway's issuer."),
            (InvalidSignatureError, "signature", "The token's signature does not fit.", "Fetch a new token."),
        ):
            if isinstance(error, kind):
                return Unauthorized(problem, remedy, reason=reason)
        return Unauthorized("The token is malformed.", reason="form")


def _header(token: str) -> tuple[str, str]:
    """Return key id and algorithm; ``jku``, ``jwk``, ``x5u`` and ``x5c`` are not even looked at."""
    encoded = token.partition(".")[0]
    try:
        header = json.loads(base64.urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4)))
    except (ValueError, RecursionError):
        raise Unauthorized("The token's header is no JSON.", reason="form") from None
    if not isinstance(header, dict):
        raise Unauthorized("The token's header is no object.", reason="form")
    if "crit" in header:
        raise Unauthorized("The token demands an extension (crit), and none is supported.", reason="form")
    if header.get("alg") not in ("RS256", "ES256"):
        raise Unauthorized("The token's alg is neither RS256 nor ES256.", reason="algorithm")
    kind = header.get("typ", "JWT")
    if not isinstance(kind, str) or kind.lower() not in TYPES:
        raise Unauthorized("The token's typ is not that of an access token.", reason="type")
    kid = header.get("kid")
    if not isinstance(kid, str) or not KID.fullmatch(kid):
        raise Unauthorized("The token names no usable key id (kid).", reason="key")
    return kid, str(header["alg"])


def _is_time(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= LATEST
