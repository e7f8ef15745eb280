"""One public key of a key set: which are good enough, and which algorithm belongs to which."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

Algorithm = Literal["RS256", "ES256"]

LEAST_RSA_BITS, MOST_RSA_BITS = 2048, 8192
"""A longer key would make each check a denial of service."""
EXPONENTS = range(3, 2**32)
KID = re.compile(r"[\x21-\x7e]{1,256}")


@dataclass(frozen=True, eq=False)
class Key:
    """A public key.

    Attributes
    ----------
    kid : str
    algorithm : str
        The only one that this key checks: it follows from the key's type, never from a token.
    public
        The key itself.
    print_ : str
        Canonical text of the numbers; two keys with the same one are the same.
    """

    kid: str
    algorithm: Algorithm
    public: RSAPublicKey | EllipticCurvePublicKey
    print_: str


class Unfit(ValueError):
    """A key that is not used; the message says why."""


def read_key(told: Any) -> Key:
    """Read one entry of a key set (RFC 7517).

    Raises
    ------
    Unfit
        It is for encryption, of another type, too weak, private, or without an id.
    """
    if not isinstance(told, dict):
        raise Unfit("it is no object")
    kid = told.get("kid")
    if not isinstance(kid, str) or not KID.fullmatch(kid):
        raise Unfit("it has no usable kid")
    if told.get("use", "sig") != "sig":
        raise Unfit(f"its use is {told['use']!r:.40}, not 'sig'")
    operations = told.get("key_ops", ["verify"])
    if not isinstance(operations, list) or "verify" not in operations:
        raise Unfit("its key_ops lack 'verify'")
    algorithm = _algorithm(told)
    if told.get("alg", algorithm) != algorithm:
        raise Unfit(f"its alg is {told['alg']!r:.40}, and its type checks {algorithm}")
    if "d" in told:
        raise Unfit("it is a private key")
    names = ("n", "e") if algorithm == "RS256" else ("x", "y")
    canonical = json.dumps([algorithm, *(told.get(name) for name in names)])
    return Key(kid, algorithm, _public(told, algorithm), canonical)


def _algorithm(told: Mapping[str, Any]) -> Algorithm:
    if told.get("kty") == "RSA":
        return "RS256"
    if told.get("kty") == "EC" and told.get("crv") == "P-256":
        return "ES256"
    raise Unfit("it is neither RSA nor EC on P-256")


def _public(told: Mapping[str, Any], algorithm: Algorithm) -> RSAPublicKey | EllipticCurvePublicKey:
    from jwt.algorithms import ECAlgorithm, RSAAlgorithm
    from jwt.exceptions import InvalidKeyError

    kind = RSAAlgorithm if algorithm == "RS256" else ECAlgorithm
    try:
        public = kind.from_jwk(dict(told))
    except (InvalidKeyError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise Unfit("its numbers are no key") from error
    if isinstance(public, EllipticCurvePublicKey):
        return public
    if not isinstance(public, RSAPublicKey):
        raise Unfit("it is no public key")
    if not LEAST_RSA_BITS <= public.key_size <= MOST_RSA_BITS:
        raise Unfit(f"its {public.key_size} bits are not within {LEAST_RSA_BITS} to {MOST_RSA_BITS}")
    if public.public_numbers().e not in EXPONENTS:
        raise Unfit("its exponent is unusual")
    return public
