"""From a token's claims to the caller: role, scopes, tier."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, get_args

from inference.gateway.caller import ROLES, Caller, Forbidden, Tier

STRONGEST_FIRST = ("admin", "ml_engineer", "data_scientist", "app")
TIERS: tuple[Tier, ...] = get_args(Tier)
ABSENT = object()


def claim(claims: Mapping[str, Any], name: str) -> Any:
    """Return a claim, or :data:`ABSENT`; a dot goes into an object unless a claim is called just so.

    Examples
    --------
    >>> claim({"realm_access": {"roles": ["app"]}}, "realm_access.roles")
    ['app']
    >>> claim({"https://example.com/role": "app"}, "https://example.com/role")
    'app'
    """
    if name in claims:
        return claims[name]
    found: Any = claims
    for part in name.split("."):
        if not isinstance(found, Mapping) or part not in found:
            return ABSENT
        found = found[part]
    return found


def caller_of_claims(
    claims: Mapping[str, Any], role_claim: str, tier_claim: str, pseudonym: Callable[[str], str]
) -> Caller:
    """Return who calls.

    Parameters
    ----------
    claims : mapping
        Of a verified token.
    role_claim, tier_claim : str
        Names of the claims. A list of roles may hold foreign ones; the strongest known one names the caller, and the
        scopes are those of all known ones together.
    pseudonym : callable
        From a subject to what logs hold.

    Raises
    ------
    Forbidden
        No known role, or an unknown tier.
    """
    roles = _roles(claim(claims, role_claim), role_claim)
    scopes = frozenset[str]().union(*(ROLES[role] for role in roles))
    narrowed = _scopes(claims)
    return Caller(
        pseudonym=pseudonym(claims["sub"]),
        role=next(role for role in STRONGEST_FIRST if role in roles),
        scopes=scopes if narrowed is None else scopes & narrowed,
        tier=_tier(claim(claims, tier_claim), tier_claim),
        subject=claims["sub"],
    )


def _roles(told: Any, name: str) -> frozenset[str]:
    listed = [told] if isinstance(told, str) else told if isinstance(told, list) else []
    known = frozenset(role for role in listed if isinstance(role, str) and role in STRONGEST_FIRST)
    if known:
        return known
    said = "is missing" if told is ABSENT else f"is {told!r:.100}"
    raise Forbidden(
        f"The token's claim {name!r} {said}, which is no role here.",
        f"Use a token whose claim is one of: {', '.join(sorted(STRONGEST_FIRST))}.",
    )


def _tier(told: Any, name: str) -> Tier:
    if told is ABSENT:
        return "authenticated"
    for tier in TIERS:
        if tier == told:
            return tier
    raise Forbidden(
        f"The token's claim {name!r} is {told!r:.100}, which is no tier here.",
        f"Use a token whose claim is one of: {', '.join(TIERS)}; or leave it out.",
    )


def _scopes(claims: Mapping[str, Any]) -> frozenset[str] | None:
    """Return the scopes that a token is narrowed to (RFC 8693's ``scope``, or ``scp``); None if it is not."""
    for name in ("scope", "scp"):
        if name in claims:
            told = claims[name]
            listed = told.split() if isinstance(told, str) else told if isinstance(told, list) else []
            return frozenset(part for part in listed if isinstance(part, str))
    return None
