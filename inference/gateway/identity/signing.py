"""Signed requests of internal callers: HTTP Message Signatures (RFC 9421), hmac-sha256, Content-Digest (RFC 9530).

One strict profile: the covered components are ``@method``, ``@path``, ``@query`` and ``content-digest``, all of them
and nothing else; ``created``, ``nonce`` and ``keyid`` must be there. What is not this profile is refused, so that no
part of a request is left unsigned by a client's choice.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass

from inference.gateway.identity.refusals import Unauthorized

COMPONENTS = ("@method", "@path", "@query", "content-digest")
LABEL = "arthaflow"
LONGEST_S = 60.0
"""How old a signature may be, beside the forgiven clock skew."""

_INPUT = re.compile(
    r'([a-z*][a-z0-9_.*-]*)=(\(((?:"[@a-z-]+" ?)+)\)((?:;[a-z]+=(?:\d{1,12}|"[\x20-\x21\x23-\x5b\x5d-\x7e]*"))+))'
)
_PARAMETER = re.compile(r';([a-z]+)=(?:(\d{1,12})|"([^"]*)")')
_SIGNATURE = re.compile(r"([a-z*][a-z0-9_.*-]*)=:([A-Za-z0-9+/]{43}=):")
_DIGEST = re.compile(r"(?:^|, *)sha-256=:([A-Za-z0-9+/]{43}=):")
_NONCE = re.compile(r"[A-Za-z0-9+/=_.-]{16,128}")


@dataclass(frozen=True)
class Signed:
    """What a request's signature says, not yet checked.

    Attributes
    ----------
    keyid, nonce : str
    created : int
        Seconds since the epoch.
    expires : int or None
    parameters : str
        Components and parameters as they were sent; the last line of what is signed.
    order : tuple of str
        The components in the order in which they were signed.
    signature : bytes
    """

    keyid: str
    nonce: str
    created: int
    expires: int | None
    parameters: str
    order: tuple[str, ...]
    signature: bytes


def content_digest(body: bytes) -> str:
    """Return the value of ``Content-Digest``.

    Examples
    --------
    >>> content_digest(b"")
    'sha-256=:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=:'
    """
    return f"sha-256=:{base64.b64encode(hashlib.sha256(body).digest()).decode()}:"


def sign(
    method: str,
    target: str,
    body: bytes,
    keyid: str,
    secret: bytes,
    *,
    created: int | None = None,
    nonce: str | None = None,
) -> dict[str, str]:
    """Return the headers that sign a request.

    Parameters
    ----------
    method : str
        ``POST``.
    target : str
        Path and query as they go over the wire, percent-encoded: ``/api/ml/predict?x=1``.
    body : bytes
        Empty where there is none.
    keyid : str
    secret : bytes
    created : int, optional
        Seconds since the epoch; now by default.
    nonce : str, optional
        Random by default; a value serves once.
    """
    path, mark, query = target.partition("?")
    digest = content_digest(body)
    created = int(time.time()) if created is None else created
    covered = " ".join(f'"{name}"' for name in COMPONENTS)
    nonce = nonce or secrets.token_urlsafe(18)
    parameters = f'({covered});created={created};nonce="{nonce}";keyid="{keyid}";alg="hmac-sha256"'
    base = signature_base(COMPONENTS, parameters, method, path, mark + query, digest)
    made = base64.b64encode(hmac.digest(secret, base, "sha256")).decode()
    return {
        "Content-Digest": digest,
        "Signature-Input": f"{LABEL}={parameters}",
        "Signature": f"{LABEL}=:{made}:",
    }


def signature_base(order: tuple[str, ...], parameters: str, method: str, path: str, query: str, digest: str) -> bytes:
    """Return the bytes that are signed: RFC 9421, section 2.5.

    Parameters
    ----------
    order : tuple of str
        The components' order.
    parameters : str
        Components and parameters, as in ``Signature-Input``.
    method, path, digest : str
    query : str
        With its question mark; empty means ``?``.
    """
    values = {"@method": method, "@path": path or "/", "@query": query or "?", "content-digest": digest}
    lines = [f'"{name}": {values[name]}' for name in order]
    return "\n".join([*lines, f'"@signature-params": {parameters}']).encode("latin-1")


def parse(headers: Mapping[bytes, bytes]) -> Signed:
    """Read ``Signature-Input`` and ``Signature``.

    Raises
    ------
    Unauthorized
        They are not of this profile.
    """
    told = _INPUT.fullmatch(headers.get(b"signature-input", b"").decode("latin-1"))
    made = _SIGNATURE.fullmatch(headers.get(b"signature", b"").decode("latin-1"))
    if told is None or made is None or told[1] != made[1]:
        raise _unfit("Signature-Input and Signature are not one hmac-sha256 signature of one label.")
    order = tuple(part.strip('"') for part in told[3].split())
    if sorted(order) != sorted(COMPONENTS):
        raise _unfit(f"The signature must cover exactly {', '.join(COMPONENTS)}.")
    found = _PARAMETER.findall(told[4])
    numbers = {name: int(number) for name, number, _ in found if number}
    texts = {name: text for name, number, text in found if not number}
    if len(numbers) + len(texts) != len(found) or "created" not in numbers or numbers.keys() - {"created", "expires"}:
        raise _unfit("The signature needs created, once.")
    if texts.keys() - {"nonce", "keyid", "alg"} or not texts.keys() >= {"nonce", "keyid"}:
        raise _unfit("The signature needs nonce and keyid, and takes no other text than alg.")
    if texts.get("alg", "hmac-sha256") != "hmac-sha256":
        raise _unfit("The signature's alg is not hmac-sha256.")
    if not _NONCE.fullmatch(texts["nonce"]):
        raise _unfit("The signature's nonce has not 16 to 128 letters and digits.")
    raw = base64.b64decode(made[2])
    return Signed(texts["keyid"], texts["nonce"], numbers["created"], numbers.get("expires"), told[2], order, raw)


def check_digest(told: bytes, body: bytes) -> str:
    """Return ``Content-Digest`` as it was sent, if it is that of the body.

    Raises
    ------
    Unauthorized
        It is not, or has no sha-256.
    """
    text = told.decode("latin-1")
    named = _DIGEST.findall(text)
    try:
        given = base64.b64decode(named[0], validate=True) if len(named) == 1 else b""
    except binascii.Error:
        given = b""
    if not hmac.compare_digest(given, hashlib.sha256(body).digest()):
        raise _unfit("Content-Digest is not the sha-256 of the body.")
    return text.strip()


def _unfit(problem: str) -> Unauthorized:
    return Unauthorized(problem, "Sign with inference.gateway.identity.signing.sign.", "invalid_request", "signature")
