"""Callers and users as keyed hashes: what logs and tables hold instead of who somebody is."""

from __future__ import annotations

import hmac
from typing import Literal

from components.records import keys
from components.settings import Settings

Kind = Literal["caller", "user"]


def pseudonym(text: str, kind: Kind = "caller", config: Settings | None = None) -> str:
    """Return the pseudonym of a token's subject, an address or a user id.

    Parameters
    ----------
    text : str
        Who; nobody (``""``) stays nobody.
    kind : str
        ``caller`` or ``user``: the same text has another pseudonym as each, so that tables cannot be joined on it.
    config : Settings, optional
        Whose pepper; this process's by default.

    Returns
    -------
    str
        HMAC-SHA256 under the pepper, 32 hexadecimal digits.
    """
    if not text:
        return ""
    message = f"arthaflow:{kind}\0{text}".encode("utf-8", "surrogatepass")
    return hmac.digest(keys.pepper(config), message, "sha256").hex()[:32]


def audit_key(config: Settings | None = None) -> bytes:
    """Return the key of the prediction log's hash chain, see :mod:`components.records.keys`."""
    return keys.audit_key(config)
