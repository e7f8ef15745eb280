"""Which routes need no token, and which are only for the admin networks."""

from __future__ import annotations

PUBLIC = frozenset({"/healthz", "/ready", "/metrics", "/openapi.json", "/docs", "/docs/oauth2-redirect", "/redoc"})
PUBLIC_PREFIXES = ("/.well-known/", "/static-offline-docs/")
INDEX = frozenset({"/api", "/api/"})
ADMIN = ("/admin", "/api/v1/ml/audit")


def is_public(method: str, path: str) -> bool:
    """Whether a route is answered without a token.

    Examples
    --------
    >>> is_public("GET", "/healthz"), is_public("GET", "/api"), is_public("POST", "/api"), is_public("GET", "/docs/x")
    (True, True, False, False)
    """
    if method not in ("GET", "HEAD"):
        return False
    return path in PUBLIC or path in INDEX or path.startswith(PUBLIC_PREFIXES)


def is_admin(path: str) -> bool:
    """Whether a route is only for the admin networks; a longer word counts too, so that no spelling slips through.

    Examples
    --------
    >>> is_admin("/admin/deploy"), is_admin("//Admin"), is_admin("/api/v1/ml/audit/verify"), is_admin("/api/v1/ml")
    (True, True, True, False)
    """
    plain = path.lower()
    while "//" in plain:
        plain = plain.replace("//", "/")
    return plain.startswith(ADMIN)
