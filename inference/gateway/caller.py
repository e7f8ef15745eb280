"""Who calls: established once per request, carried in the ASGI scope's state."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from fastapi import Request, Security
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from components.errors import ArthaflowError

Tier = Literal["public", "authenticated", "premium", "internal"]


class Forbidden(ArthaflowError):
    """The caller is known, but may not do this."""

    status = 403
    code = "FORBIDDEN"


@dataclass(frozen=True)
class Caller:
    """Who calls.

    Attributes
    ----------
    pseudonym : str
        Keyed hash of the token's subject (of the address, for nobody's): all that logs and tables ever hold.
    role : str
        ``data_scientist``, ``ml_engineer``, ``admin``, ``app``; ``public`` for nobody's.
    scopes : frozenset of str
        What the role may, narrowed to the token's ``scope`` claim where it has one.
    tier : str
        Which rate limit holds.
    subject : str
        The token's subject itself; never logged.
    """

    pseudonym: str
    role: str = "public"
    scopes: frozenset[str] = frozenset()
    tier: Tier = "public"
    subject: str = field(default="", repr=False)


SCOPES = {
    "predict": "ask models for predictions",
    "explain": "ask why",
    "models:read": "read the catalogue, versions, performance",
    "models:write": "register versions",
    "models:deploy": "deploy, roll back and retire versions",
    "features:read": "read features and their values",
    "features:write": "compute features",
    "training:read": "read training jobs",
    "training:write": "start and cancel training jobs, AutoML and optimisation",
    "experiments:read": "read experiments and their results",
    "experiments:write": "create, stop and decide experiments",
    "outcomes:write": "report what really happened",
    "documents:write": "keep documents that requests may name, read and delete them",
    "monitoring:read": "read performance, drift, alerts, usage and costs",
    "audit:read": "read, verify and export the prediction log",
    "audit:erase": "erase one person's data",
}

_READ = frozenset({"models:read", "features:read", "training:read", "experiments:read", "monitoring:read"})
ROLES: dict[str, frozenset[str]] = {
    "public": frozenset(),
    "app": frozenset({"predict", "explain", "outcomes:write", "documents:write", "models:read"}),
    "data_scientist": _READ | {"predict", "explain", "experiments:write"},
    "ml_engineer": _READ
    | {
        "predict",
        "explain",
        "models:write",
        "models:deploy",
        "features:write",
        "training:write",
        "experiments:write",
        "outcomes:write",
        "documents:write",
    },
    "admin": frozenset(SCOPES),
}
"""Document 0: data scientists read, ML engineers read and write models, admins may everything; applications predict."""

bearer = HTTPBearer(
    scheme_name="bearer",
    bearerFormat="JWT",
    auto_error=False,
    description="An OAuth 2.0 access token (JWT, RS256 or ES256). On one machine: `arthaflow token --role app`.",
)
"""For OpenAPI alone: the door has checked the token before any route is found."""


def caller_of(request: Request) -> Caller:
    """Return who calls, as the door established it."""
    found: Caller = request.scope["state"]["caller"]
    return found


def check(caller: Caller, scope: str) -> None:
    """Refuse a caller without a scope.

    Raises
    ------
    Forbidden
        With the scope and the roles that have it.
    """
    if scope in caller.scopes:
        return
    able = ", ".join(name for name, scopes in ROLES.items() if scope in scopes)
    raise Forbidden(
        f"The role {caller.role!r} lacks the scope {scope!r} here.", f"Use a token of one of: {able}, with that scope."
    )


def may(scope: str) -> Any:
    """Return the default value of a route's ``caller`` parameter, which yields who calls, or refuses without ``scope``.

    Write ``caller: Caller = may("models:read")``.
    """
    if scope not in SCOPES:
        raise ValueError(f"{scope!r} is none of {sorted(SCOPES)}")

    async def dependency(
        request: Request, token: Annotated[HTTPAuthorizationCredentials | None, Security(bearer)]
    ) -> Caller:
        caller = caller_of(request)
        check(caller, scope)
        return caller

    return Security(dependency, scopes=[scope])
