"""Internal callers: services that sign their requests with a shared secret."""

from __future__ import annotations

import hmac
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from components.errors import ConfigurationError
from inference.gateway.caller import ROLES, Caller
from inference.gateway.identity.nonces import Nonces
from inference.gateway.identity.refusals import Unauthorized
from inference.gateway.identity.signing import LONGEST_S, parse, signature_base

SHORTEST_SECRET = 32


@dataclass(frozen=True)
class InternalKey:
    """A caller's role and secret."""

    role: str
    secret: bytes

    def __repr__(self) -> str:
        return f"InternalKey({self.role})"


def internal_keys(text: str) -> dict[str, InternalKey]:
    """Parse ``id=secret,id:role=secret``; the role is ``app`` unless it is said.

    Raises
    ------
    ConfigurationError
        An entry is none, a secret is too short, a role unknown; no secret stands in the message.
    """
    found: dict[str, InternalKey] = {}
    for entry in (part.strip() for part in text.split(",")):
        if not entry:
            continue
        named, _, secret = entry.partition("=")
        keyid, _, role = named.partition(":")
        role = role or "app"
        if not keyid or keyid in found or role == "public" or role not in ROLES:
            raise ConfigurationError(
                f"ARTHAFLOW_GATEWAY_INTERNAL_KEYS names {named!r:.60}, no new id with a known role.",
                f"Write id=secret or id:role=secret; roles: {', '.join(sorted(set(ROLES) - {'public'}))}.",
            )
        if len(secret) < SHORTEST_SECRET:
            raise ConfigurationError(
                f"The secret of {keyid!r} in ARTHAFLOW_GATEWAY_INTERNAL_KEYS has {len(secret)} characters.",
                f"Set at least {SHORTEST_SECRET}, for example from: openssl rand -hex 32",
            )
        found[keyid] = InternalKey(role, secret.encode())
    return found


class InternalCallers:
    """Checks signed requests.

    Parameters
    ----------
    keys : mapping
        See :func:`internal_keys`.
    leeway_s : float
        Clock skew that is forgiven, seconds.
    nonces : Nonces
    pseudonym : callable
        From an id to what logs hold.
    """

    def __init__(
        self, keys: Mapping[str, InternalKey], leeway_s: float, nonces: Nonces, pseudonym: Callable[[str], str]
    ) -> None:
        self.keys, self.leeway_s, self.nonces, self.pseudonym = keys, leeway_s, nonces, pseudonym

    async def verify(self, method: str, path: str, query: str, headers: Mapping[bytes, bytes]) -> Caller:
        """Return who signed the request.

        Parameters
        ----------
        method : str
        path : str
            Percent-encoded, as it was sent.
        query : str
            With its question mark; empty where there is none.
        headers : mapping
            By lower-case name; a name that came twice has its values joined by ``, ``. What ``Content-Digest`` says is
            signed; that it is the body's is for who reads the body to check.

        Raises
        ------
        Unauthorized
            The signature is malformed, does not fit, is too old, or was used before.
        """
        signed = parse(headers)
        self._check_times(signed.created, signed.expires)
        digest = headers.get(b"content-digest", b"").decode("latin-1").strip()
        key = self.keys.get(signed.keyid)
        base = signature_base(signed.order, signed.parameters, method, path, query, digest)
        wanted = hmac.digest(key.secret if key else b"-" * SHORTEST_SECRET, base, "sha256")
        if not hmac.compare_digest(wanted, signed.signature) or key is None:
            raise Unauthorized("The request's signature does not fit.", "Check keyid and secret.", reason="signature")
        if not await self.nonces.first_use(signed.keyid, signed.nonce, LONGEST_S + 2 * self.leeway_s):
            raise Unauthorized("The signature was used before.", "Sign each request anew.", reason="replay")
        subject = f"internal:{signed.keyid}"
        return Caller(self.pseudonym(subject), key.role, ROLES[key.role], "internal", subject)

    def _check_times(self, created: int, expires: int | None) -> None:
        now = time.time()
        if created > now + self.leeway_s:
            raise Unauthorized("The signature is of the future.", "Compare the clocks.", reason="immature")
        if now > created + LONGEST_S + self.leeway_s or (expires is not None and now > expires + self.leeway_s):
            raise Unauthorized("The signature is too old.", "Sign each request when it is sent.", reason="expired")
