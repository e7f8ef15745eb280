"""The embedded issuer of one machine: an ES256 key pair in ``home``, made once; ``arthaflow token`` signs with it."""

from __future__ import annotations

import fcntl
import json
import os
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from components.errors import ConfigurationError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey

NAME = "arthaflow-local"
ALGORITHM = "ES256"
LONGEST_TTL_S = 30 * 24 * 3600
KEY_SET = "jwks.json"


class LocalIssuer:
    """Makes tokens for people and programs on one machine.

    Parameters
    ----------
    home : Path
        ``ARTHAFLOW_HOME``. The private keys lie in ``<home>/gateway/issuer``, readable by their owner only.
    issuer, audience : str
        What the tokens say; the gateway's settings name the same.
    """

    def __init__(self, home: Path, issuer: str = "", audience: str = "arthaflow") -> None:
        self.folder = home / "gateway" / "issuer"
        self.issuer, self.audience = issuer or NAME, audience

    @property
    def key_set(self) -> Path:
        """The file with the public keys."""
        return self.folder / KEY_SET

    def ensure(self) -> None:
        """Make the first key pair where there is none."""
        with self._alone():
            if not self._private_files():
                self._make()
            self._publish()

    def rotate(self, forget: bool = False) -> str:
        """Make a new key pair, which signs from now on; return its id.

        Parameters
        ----------
        forget : bool
            Void all tokens that were made so far; otherwise those of the key before stay good until they expire.
        """
        with self._alone():
            for old in self._private_files()[0 if forget else 1 :]:
                old.unlink()
            kid = self._make()
            self._publish()
        return kid

    def token(
        self,
        subject: str,
        role: str,
        tier: str = "authenticated",
        ttl_s: float = 8 * 3600,
        scopes: Sequence[str] | None = None,
        role_claim: str = "role",
        tier_claim: str = "tier",
    ) -> str:
        """Return a signed token.

        Parameters
        ----------
        subject : str
            Who uses it.
        role, tier : str
        ttl_s : float
            How long it is good, seconds; 30 days at most.
        scopes : sequence of str, optional
            Narrow the role's scopes to these.
        role_claim, tier_claim : str
            As the gateway's settings name them; without dots.

        Raises
        ------
        ConfigurationError
            The time is not within its bounds, or the key is readable by others.
        """
        import jwt

        if not 1 <= ttl_s <= LONGEST_TTL_S:
            raise ConfigurationError(f"A token cannot be good for {ttl_s:g} s.", "Ask for 1 s to 30 days, like 8h.")
        self.ensure()
        newest = self._private_files()[0]
        now = int(time.time())
        claims: dict[str, Any] = {"iss": self.issuer, "aud": self.audience, "sub": subject, "jti": uuid.uuid4().hex}
        claims |= {"iat": now, "nbf": now, "exp": now + int(ttl_s), role_claim: role, tier_claim: tier}
        if scopes is not None:
            claims["scope"] = " ".join(scopes)
        return jwt.encode(claims, _read(newest), ALGORITHM, headers={"kid": _kid(newest), "typ": "at+jwt"})

    def _private_files(self) -> list[Path]:
        """Newest first: a key's id begins with when it was made."""
        return sorted(self.folder.glob("*.pem"), reverse=True)

    def _make(self) -> str:
        from cryptography.hazmat.primitives.asymmetric import ec
        from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

        pair = ec.generate_private_key(ec.SECP256R1())
        kid = f"{time.time_ns():020d}-{uuid.uuid4().hex[:8]}"
        _write(
            self.folder / f"{kid}.pem",
            pair.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()),
        )
        return kid

    def _publish(self) -> None:
        from jwt.algorithms import ECAlgorithm

        keys = []
        for path in self._private_files():
            told = ECAlgorithm.to_jwk(_read(path).public_key(), as_dict=True)
            keys.append(told | {"kid": _kid(path), "use": "sig", "alg": ALGORITHM})
        content = json.dumps({"keys": keys}).encode()
        if not self.key_set.exists() or self.key_set.read_bytes() != content:
            _write(self.key_set, content)

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Keep other processes out: the gateway and the command line may both make the first key."""
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        with (self.folder / ".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield


def _kid(path: Path) -> str:
    return path.stem


def _write(path: Path, content: bytes) -> None:
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    draft.unlink(missing_ok=True)
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as stream:
        stream.write(content)
        stream.flush()
        os.fsync(stream.fileno())
    draft.replace(path)


def _read(path: Path) -> EllipticCurvePrivateKey:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    if path.stat().st_mode & 0o077:
        raise ConfigurationError(f"{path} is readable by others.", f"Close it: chmod 600 {path}")
    try:
        key = load_pem_private_key(path.read_bytes(), None)
    except (ValueError, TypeError) as error:
        raise ConfigurationError(f"{path} holds no key.", "Remove it: the tokens that it signed are void.") from error
    if not isinstance(key, EllipticCurvePrivateKey):
        raise ConfigurationError(f"{path} holds no EC key.", "Remove it: the tokens that it signed are void.")
    return key
