"""What a request brings to say who sends it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from inference.gateway.identity.refusals import Unauthorized

SIGNATURE = b"signature-input"
_QUERY_TOKEN = re.compile(rb"(?:^|[&;])access_token=", re.IGNORECASE)


@dataclass(frozen=True)
class Credentials:
    """A bearer token, or a signature, or neither.

    Attributes
    ----------
    token : bytes or None
    signed : bool
    """

    token: bytes | None
    signed: bool


def credentials(scope: Mapping[str, Any]) -> Credentials:
    """Read a request's credentials.

    Raises
    ------
    Unauthorized
        Of another scheme, twice, of both kinds, or in the query string, where logs and histories would keep it.
    """
    authorizations, signed = [], False
    for name, value in scope["headers"]:
        if name == b"authorization":
            authorizations.append(value)
        elif name == SIGNATURE:
            signed = True
    if b"access_token" in scope["query_string"].lower() and _QUERY_TOKEN.search(scope["query_string"]):
        raise _unfit("The token stands in the query string.", "Send it in the Authorization header, and renew it.")
    if len(authorizations) > 1:
        raise _unfit("The request has more than one Authorization header.", "Send one.")
    if not authorizations:
        return Credentials(None, signed)
    scheme, _, token = authorizations[0].partition(b" ")
    if scheme.lower() != b"bearer":
        raise _unfit("The Authorization header is not of the scheme Bearer.", "Send: Authorization: Bearer <token>.")
    return Credentials(token, signed)


def joined(headers: list[tuple[bytes, bytes]]) -> dict[bytes, bytes]:
    """Return the headers by name; those of one name joined as RFC 9421, section 2.1 says."""
    found: dict[bytes, bytes] = {}
    for name, value in headers:
        found[name] = found[name] + b", " + value.strip() if name in found else value.strip()
    return found


def _unfit(problem: str, remedy: str) -> Unauthorized:
    return Unauthorized(problem, remedy, "invalid_request", "form")
