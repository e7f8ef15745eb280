"""A client of the product API on this machine, for the demo and the command line."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

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
        return self._ask("POST", path, body, timeout_s)

    def keep(self, entity_type: str, entity_id: str, document: Mapping[str, Any], user_id: str = "") -> dict[str, Any]:
        """Keep a document, for requests to name by its id; return what is kept of it.

        Parameters
        ----------
        entity_type, entity_id : str
            For example ``portfolio`` and the application's own id.
        document : mapping
            Its parts by name, as a request would carry them.
        user_id : str
            Whose data it is; empty for nobody's.
        """
        body = {**document, **({"user_id": user_id} if user_id else {})}
        found: dict[str, Any] = self._ask("PUT", _document(entity_type, entity_id), body)["data"]
        return found

    def kept(self, entity_type: str, entity_id: str) -> dict[str, Any]:
        """Return a document as it was kept.

        Raises
        ------
        InvalidRequest
            If none of this client's is.
        """
        found: dict[str, Any] = self._ask("GET", _document(entity_type, entity_id))["data"]["document"]
        return found

    def _ask(self, method: str, path: str, body: Any = None, timeout_s: float = 60.0) -> dict[str, Any]:
        import httpx

        more = {} if method == "GET" else {"json": body}
        try:
            answer = httpx.request(
                method, self.url + path, headers=self.headers, timeout=timeout_s, trust_env=False, **more
            )
        except httpx.TransportError as error:
            raise ModelUnavailable(f"{self.url} does not answer ({error}).", "Start it: `arthaflow serve`.") from error
        told: dict[str, Any] = answer.json()
        if answer.is_success:
            return told
        error_body = told.get("error", {})
        kind = InvalidRequest if answer.status_code < 500 else ArthaflowError
        raise kind(str(error_body.get("message", told)), str(error_body.get("details", {}).get("remedy", "")))


def _document(entity_type: str, entity_id: str) -> str:
    return f"/api/v1/ml/documents/{quote(entity_type, safe='')}/{quote(entity_id, safe='')}"
