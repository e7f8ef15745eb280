"""Establishes who calls: a bearer token, or a signed request of an internal caller."""

from __future__ import annotations

import time
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any
from urllib.parse import quote

from components.errors import ConfigurationError
from components.records.pseudonym import pseudonym
from components.settings import Settings, settings
from inference.gateway.caller import ROLES, Caller, Forbidden
from inference.gateway.config import GatewaySettings
from inference.gateway.identity import networks
from inference.gateway.identity.credentials import SIGNATURE, Credentials, credentials, joined
from inference.gateway.identity.failures import Failures
from inference.gateway.identity.fetching import FetchFailed, origin
from inference.gateway.identity.internal_callers import InternalCallers, internal_keys
from inference.gateway.identity.jwks import KeySet
from inference.gateway.identity.local_issuer import LocalIssuer
from inference.gateway.identity.networks import client_address, truncated
from inference.gateway.identity.nonces import Nonces
from inference.gateway.identity.refusals import Unauthorized
from inference.gateway.identity.roles import caller_of_claims
from inference.gateway.identity.routes import is_admin, is_public
from inference.gateway.identity.seen import SeenTokens
from inference.gateway.identity.signing import check_digest
from inference.gateway.identity.tokens import TokenVerifier

__all__ = ["DoorKeeper", "client_address", "is_public", "truncated"]

LOCAL_REFRESH_S = 2.0
"""The embedded issuer's key set is a file: it is read often, so that a rotation holds at once."""


class DoorKeeper:
    """Knows callers.

    Parameters
    ----------
    config : GatewaySettings
    home : Path
        Where the embedded issuer keeps its keys.
    redis_url : str
        Where the replicas share the nonces of signed requests; empty: each has its own; None: as this process's
        settings say.
    """

    def __init__(self, config: GatewaySettings, home: Path, redis_url: str | None = None) -> None:
        self.config = config
        self.admins = networks.networks(config.admin_networks, "admin_networks")
        self.proxies = networks.networks(config.trusted_proxies, "trusted_proxies")
        self.failures = Failures(config.failures_per_minute)
        self.seen = SeenTokens()
        kept = Settings(home=home)
        self._pseudonym = lru_cache(maxsize=8192)(lambda subject: pseudonym(subject, "caller", kept))
        self._nonces = Nonces(settings().redis_url if redis_url is None else redis_url)
        keys = internal_keys(config.internal_keys.get_secret_value())
        self._internal = InternalCallers(keys, config.leeway_s, self._nonces, self._pseudonym)
        self._local = LocalIssuer(home, config.issuer, config.audience) if config.auth == "local" else None
        self._keys = _key_set(config, self._local)
        issuer = self._local.issuer if self._local else config.issuer
        self._tokens = TokenVerifier(self._keys, issuer, config.audience, config.leeway_s)

    async def start(self) -> None:
        """Read the issuer's keys, and keep them fresh."""
        if self._local is not None:
            self._local.ensure()
        if self.config.auth != "off":
            await self._keys.start()

    async def close(self) -> None:
        """Stop."""
        await self._keys.close()
        await self._nonces.close()

    def client(self, scope: Mapping[str, Any]) -> str:
        """Return the address that a request comes from; see :func:`networks.client_of`."""
        return networks.client_of(scope, self.proxies)

    def needs_body(self, scope: Mapping[str, Any]) -> bool:
        """Whether a request is signed: :meth:`check_body` must then see its body before anything is done with it."""
        return bool(self._internal.keys) and any(name == SIGNATURE for name, _ in scope["headers"])

    def check_body(self, scope: Mapping[str, Any], body: bytes) -> None:
        """Compare a signed request's body with the digest that was signed.

        Raises
        ------
        Unauthorized
            It is another one.
        """
        try:
            check_digest(joined(scope["headers"]).get(b"content-digest", b""), body)
        except Unauthorized:
            self.failures.note(networks.share(self.client(scope)))
            raise

    async def admit(self, scope: Mapping[str, Any]) -> Caller:
        """Return who sends a request. Its body is not needed: a signature covers a digest of it.

        Parameters
        ----------
        scope : mapping
            ASGI scope.

        Raises
        ------
        Unauthorized
            401, with the headers of the answer.
        Forbidden
            403: the caller is known, and may not do this from there.
        RateLimited
            429: too many failures from this address.
        IssuerAway
            503: the issuer's keys have never been read.
        """
        path = _path(scope)
        if is_public(scope["method"], path):
            return self._nobody(self.client(scope))
        if is_admin(path):
            self._check_network(scope)
        if self.config.auth == "off":
            return Caller(self._pseudonym(f"address:{self.client(scope)}"), "app", ROLES["app"], "authenticated")
        return await self._admit(scope)

    async def _admit(self, scope: Mapping[str, Any]) -> Caller:
        address = ""
        try:
            brought = credentials(scope)
            if brought.token is not None and not (brought.signed and self._internal.keys):
                caller = self.seen.get(brought.token, self._keys.keys, time.time())
                if caller is not None:
                    return caller
            address = networks.share(self.client(scope))
            self.failures.check(address)
            return await self._known(scope, brought)
        except Unauthorized:
            self.failures.note(address or networks.share(self.client(scope)))
            raise

    async def _known(self, scope: Mapping[str, Any], brought: Credentials) -> Caller:
        if brought.signed and self._internal.keys:
            if brought.token is not None:
                raise Unauthorized("The request has a token and a signature.", "Send one.", "invalid_request", "form")
            return await self._signer(scope)
        if brought.token is None:
            raise Unauthorized(
                "This route needs a token.", "Send: Authorization: Bearer <token>.", error="", reason="absent"
            )
        verified = await self._tokens.verify(brought.token.decode("latin-1"))
        caller = caller_of_claims(verified.claims, self.config.role_claim, self.config.tier_claim, self._pseudonym)
        self.seen.put(brought.token, caller, verified.key, verified.until)
        return caller

    async def _signer(self, scope: Mapping[str, Any]) -> Caller:
        path = scope.get("wire_path") or scope.get("raw_path") or quote(scope["path"]).encode()
        query = scope["query_string"].decode("latin-1")
        return await self._internal.verify(
            scope["method"],
            path.decode("latin-1"),
            f"?{query}" if query else "",
            joined(scope["headers"]),
        )

    def _check_network(self, scope: Mapping[str, Any]) -> None:
        if self.config.auth == "off":
            raise Forbidden("Admin routes are closed while ARTHAFLOW_GATEWAY_AUTH is off.", "Set it to local or oidc.")
        client = self.client(scope)
        if not networks.direct(scope, self.proxies):
            raise Forbidden(
                "Admin routes are closed to requests that came through a proxy which is not known here.",
                "Add the proxy's network to ARTHAFLOW_GATEWAY_TRUSTED_PROXIES.",
            )
        if not networks.among(networks.parse(client), self.admins):
            raise Forbidden(
                f"Admin routes are closed to {client or 'a client without an address'}.",
                "Call from one of the networks in ARTHAFLOW_GATEWAY_ADMIN_NETWORKS.",
            )

    def _nobody(self, client: str) -> Caller:
        return Caller(self._pseudonym(f"address:{networks.share(client)}"))


def _path(scope: Mapping[str, Any]) -> str:
    """Return the path as routes see it: without the prefix under which a proxy mounts the application."""
    path: str = scope["path"]
    prefix: str = scope.get("root_path", "")
    return path[len(prefix) :] if prefix and path.startswith(prefix + "/") else path


def _key_set(config: GatewaySettings, local: LocalIssuer | None) -> KeySet:
    if local is not None:
        return KeySet(local.key_set, refresh_s=LOCAL_REFRESH_S, retry_s=LOCAL_REFRESH_S / 4)
    if config.auth == "oidc":
        _check_oidc(config)
    source = Path(config.jwks_url) if config.jwks_url.startswith("/") else config.jwks_url
    return KeySet(source, config.issuer, config.jwks_refresh_s, config.jwks_retry_s)


def _check_oidc(config: GatewaySettings) -> None:
    if not config.issuer or not config.audience:
        raise ConfigurationError(
            "ARTHAFLOW_GATEWAY_AUTH is oidc, and issuer or audience is not set.",
            "Set ARTHAFLOW_GATEWAY_ISSUER and ARTHAFLOW_GATEWAY_AUDIENCE.",
        )
    if config.jwks_url.startswith("/"):
        return
    try:
        origin(config.jwks_url or config.issuer)
    except FetchFailed as error:
        raise ConfigurationError(
            f"The key set cannot be fetched: {error}.", "Set ARTHAFLOW_GATEWAY_JWKS_URL to an http(s) URL or a file."
        ) from error
