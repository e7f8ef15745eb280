"""How an unknown caller is told so: RFC 6750, section 3."""

from __future__ import annotations

from components.errors import ArthaflowError

REALM = "arthaflow"


class Unauthorized(ArthaflowError):
    """Nobody knows who calls.

    Parameters
    ----------
    problem, remedy : str
        See :class:`components.errors.ArthaflowError`. Never the token, nor a part of it.
    error : str
        RFC 6750's code: ``invalid_token`` or ``invalid_request``; empty where no credentials came at all.
    reason : str
        Short name for the metric.
    """

    status = 401
    code = "UNAUTHORIZED"

    def __init__(self, problem: str, remedy: str = "", error: str = "invalid_token", reason: str = "token") -> None:
        super().__init__(problem, remedy)
        self.error, self.reason = error, reason

    @property
    def headers(self) -> list[tuple[bytes, bytes]]:
        """The answer's headers."""
        challenge = f'Bearer realm="{REALM}"'
        if self.error:
            challenge += f', error="{self.error}", error_description="{_quotable(self.problem)}"'
        return [(b"www-authenticate", challenge.encode("ascii")), (b"cache-control", b"no-store")]


class IssuerAway(ArthaflowError):
    """No key set has ever been read, so no token can be judged."""

    status = 503
    code = "ISSUER_UNAVAILABLE"
    retry_after_s = 5.0


def _quotable(text: str) -> str:
    """Keep what RFC 6750 lets an ``error_description`` hold: printable ASCII without quote and backslash."""
    return "".join(c if " " <= c <= "~" and c not in '"\\' else "'" for c in text)
