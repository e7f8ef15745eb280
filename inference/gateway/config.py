"""The gateway's typed settings, from ``ARTHAFLOW_GATEWAY_*`` environment variables; the command line's flags win."""

from __future__ import annotations

from functools import lru_cache
from typing import Literal

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict


class GatewaySettings(BaseSettings):
    """Settings of one gateway process; the defaults need no server.

    Attributes
    ----------
    auth : str
        ``local``: tokens of the issuer in ``home``, which ``arthaflow token`` makes. ``oidc``: tokens of ``issuer``,
        checked against ``jwks_url``. ``off``: everybody is an application, and admin routes are closed; for tests and
        behind a mesh that has checked already.
    issuer, audience, jwks_url : str
        Of the tokens. ``jwks_url`` empty: ``<issuer>/.well-known/openid-configuration`` tells it.
    leeway_s : float
        Clock skew that is forgiven, seconds.
    role_claim, tier_claim : str
        Claims that name role and tier; a dot goes into an object.
    jwks_refresh_s : float
        How old the key set may get; an unknown key id fetches it anew, at most every ``jwks_retry_s`` seconds.
    internal_keys : SecretStr
        ``id=secret,id=secret`` of internal callers that sign their requests (RFC 9421, hmac-sha256).
    admin_networks : str
        Comma-separated networks that may call admin routes.
    trusted_proxies : str
        Comma-separated networks whose ``X-Forwarded-For`` is believed.
    public_per_hour, authenticated_per_hour, premium_per_hour : int
        Document 0's rate limits; 0 for none. Internal callers have none.
    failures_per_minute : int
        Requests of one address without valid credentials that are answered with 401, before they are refused unread.
    cache_entries : int
        Most answers kept in this process, per model.
    max_in_flight : int
        Requests under way at once in this process, all models together.
    watch : str
        What happens to a caller whose questions look like the extraction of a model: ``log`` or ``limit``.
    cpu_hour_cost, gpu_hour_cost, currency
        For the cost analytics.
    alertmanager_url : str
        Of the Alertmanager whose active alerts stand among ours; empty for none.
    """

    model_config = SettingsConfigDict(env_prefix="ARTHAFLOW_GATEWAY_", extra="ignore")

    auth: Literal["local", "oidc", "off"] = "local"
    issuer: str = ""
    audience: str = "arthaflow"
    jwks_url: str = ""
    jwks_refresh_s: float = Field(default=300.0, gt=0)
    jwks_retry_s: float = Field(default=10.0, gt=0)
    leeway_s: float = Field(default=30.0, ge=0, le=300)
    role_claim: str = "role"
    tier_claim: str = "tier"
    internal_keys: SecretStr = SecretStr("")
    admin_networks: str = "127.0.0.0/8,::1/128"
    trusted_proxies: str = ""
    public_per_hour: int = Field(default=100, ge=0)
    authenticated_per_hour: int = Field(default=1000, ge=0)
    premium_per_hour: int = Field(default=10000, ge=0)
    failures_per_minute: int = Field(default=60, gt=0)
    cache_entries: int = Field(default=10_000, gt=0)
    max_in_flight: int = Field(default=1024, gt=0)
    watch: Literal["log", "limit"] = "log"
    cpu_hour_cost: float = Field(default=3.5, ge=0)
    gpu_hour_cost: float = Field(default=60.0, ge=0)
    currency: str = "INR"
    alertmanager_url: str = Field(default="", pattern=r"^(https?://[^\s/]+\S*)?$")


@lru_cache(maxsize=1)
def gateway_settings() -> GatewaySettings:
    """Return the gateway's settings, read once."""
    return GatewaySettings()
