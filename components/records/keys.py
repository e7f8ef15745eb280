"""The two secrets of the records: set by the operator, or made once and kept in ``home`` for its owner only."""

from __future__ import annotations

import os
import secrets
from functools import lru_cache
from pathlib import Path

from components.errors import ConfigurationError
from components.settings import Settings, settings

SHORTEST = 16
"""Characters; a shorter secret can be searched through."""


def pepper(config: Settings | None = None) -> bytes:
    """Return the key of the pseudonyms of callers and users.

    Raises
    ------
    ConfigurationError
        If the setting is too short, or the key's file is readable by others.
    """
    config = config or settings()
    return _key("pepper", config.pepper.get_secret_value(), config.root)


def audit_key(config: Settings | None = None) -> bytes:
    """Return the key of the prediction log's hash chain; raises as :func:`pepper` does."""
    config = config or settings()
    return _key("audit_key", config.audit_key.get_secret_value(), config.root)


@lru_cache(maxsize=64)
def _key(name: str, given: str, home: Path) -> bytes:
    if given:
        if len(given) < SHORTEST:
            raise ConfigurationError(
                f"ARTHAFLOW_{name.upper()} has {len(given)} characters.",
                f"Set at least {SHORTEST}, for example from: openssl rand -hex 32",
            )
        return given.encode()
    path = home / "keys" / name
    return _read(path) if path.exists() else _make(path)


def _read(path: Path) -> bytes:
    if path.stat().st_mode & 0o077:
        raise ConfigurationError(f"{path} is readable by others.", f"Close it: chmod 600 {path}")
    key = path.read_bytes().strip()
    if len(key) < SHORTEST:
        raise ConfigurationError(f"{path} holds {len(key)} bytes, no key.", "Restore it from a backup.")
    return key


def _make(path: Path) -> bytes:
    """Make a key; where two processes do so at once, both use the one whose link came first."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    draft = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        os.write(handle, secrets.token_hex(32).encode())
        os.fsync(handle)
    finally:
        os.close(handle)
    try:
        os.link(draft, path)
    except FileExistsError:
        pass
    finally:
        draft.unlink()
    return _read(path)
