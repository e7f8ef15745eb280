"""A client of the product API on this machine, for the demo and the command line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from components.errors import ArthaflowError, InvalidRequest, ModelUnavailable


class ProductClient:
    """Asks the gateway of a home as an application does, with a token of its embedded issuer.

    Parameters
    ----------
    url : str
        Of the gateway.
    home : Path
        Whose issuer signs the token.
    role, tier : str
        What the token says.
    """

    def __init__(self, url: str, home: Path, role: str = "app", tier: str = "premium") -> None:
        from inference.gateway.config import gateway_settings
        from inference.gateway.identity.local_issuer import LocalIssuer

        config = gateway_settings()
        issuer = LocalIssuer(home, config.issuer, config.audience)
        issuer.ensure()
        self.url = url
        self.headers = {"authorization": f"Bearer {issuer.token('arthaflow-demo', role, tier)}"}

    def post(self, path: str, body: Any, timeout_s: float = 60.0) -> dict[str, Any]:
        """Return the success envelope of a request.

        Raises
        ------
        InvalidRequest, ArthaflowError
            What the gateway refuses, in its words.
        ModelUnavailable
            If it does not answer.
        """
        import httpx

        try:
            answer = httpx.post(self.url + path, json=body, headers=self.headers, timeout=timeout_s, trust_env=False)
        except httpx.TransportError as error:
            raise ModelUnavailable(f"{self.url} does not answer ({error}).", "Start it: `arthaflow serve`.") from error
        told: dict[str, Any] = answer.json()
        if answer.is_success:
            return told
        error_body = told.get("error", {})
        kind = InvalidRequest if answer.status_code < 500 else ArthaflowError
        raise kind(str(error_body.get("message", told)), str(error_body.get("details", {}).get("remedy", "")))
