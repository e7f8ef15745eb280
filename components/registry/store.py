"""Where artifacts live: one interface with two implementations, a folder and an S3 bucket.

Artifacts are immutable: a key is written once, and writing other content under it is refused. A key that exists is
complete, because the folder is renamed into place, and because the manifest is uploaded after every file it lists.
"""

from __future__ import annotations

import errno
import os
import shutil
from pathlib import Path
from tempfile import mkdtemp
from typing import Protocol

from components.errors import ConfigurationError, OutOfSpace, UnknownModel
from components.registry.artifact import atomic_directory, read_artifact, sha256
from components.settings import Settings, settings

MANIFEST = "manifest.json"


class Store(Protocol):
    """A place for artifacts, addressed by keys such as ``price_forecast/20260101T120000-1a2b``."""

    def uri(self, key: str) -> str:
        """Return the address that the registry keeps for ``key``."""
        ...

    def put_directory(self, local: Path, key: str) -> str:
        """Verify the artifact in ``local`` and keep it under ``key``; return its address.

        Raises
        ------
        ArtifactCorrupt
            If ``local`` is not a whole artifact; nothing is written.
        ConfigurationError
            If ``key`` holds another artifact.
        OutOfSpace
            If the disk filled up; nothing of ``key`` is visible.
        """
        ...

    def get_directory(self, key: str, local: Path) -> Path:
        """Copy the artifact under ``key`` to the directory ``local``, verified; return ``local``."""
        ...

    def local(self, key: str) -> Path:
        """Return a verified local directory of ``key``, which must not be changed."""
        ...

    def exists(self, key: str) -> bool:
        """Whether a complete artifact is kept under ``key``."""
        ...

    def list(self, prefix: str = "") -> list[str]:
        """Return the keys below the folder ``prefix``, sorted: ``credit/1`` does not list ``credit/10``."""
        ...

    def key(self, uri: str) -> str:
        """Inverse of :meth:`uri`."""
        ...


def open_store(uri: str = "", config: Settings | None = None) -> Store:
    """Open the store at ``uri``, a folder or ``s3://bucket/prefix``; empty means the one in the settings.

    Raises
    ------
    ConfigurationError
        If an S3 store lacks its endpoint or its credentials, or the scheme is unknown.
    """
    config = config or settings()
    uri = uri or config.store_uri
    if uri.startswith("s3://"):
        from components.registry.s3 import S3Store

        return S3Store.open(uri, config)
    if "://" in uri and not uri.startswith("file://"):
        raise ConfigurationError(
            f"ARTHAFLOW_ARTIFACT_STORE is {uri!r}, of unknown scheme.", "Use a folder or s3://bucket/prefix."
        )
    return FolderStore(Path(uri.removeprefix("file://")))


def check_key(key: str) -> str:
    """Return ``key`` without surrounding slashes.

    Raises
    ------
    ConfigurationError
        If it is empty or could leave the store.
    """
    clean = key.strip("/")
    if not clean or any(part in ("", ".", "..") or part.startswith(".") for part in clean.split("/")):
        raise ConfigurationError(f"{key!r} is no key of an artifact.", "Use name/version, without dots in front.")
    return clean


def check_same(local: Path, kept: Path, address: str) -> None:
    """Compare two manifests.

    Raises
    ------
    ConfigurationError
        If ``address`` holds another artifact.
    """
    if sha256(local / MANIFEST) != sha256(kept):
        raise ConfigurationError(
            f"{address} already holds another artifact.", "Artifacts are immutable: choose a new key, or train again."
        )


class FolderStore:
    """Artifacts in a folder.

    Parameters
    ----------
    root : Path
        Created when the first artifact is put.
    """

    def __init__(self, root: Path) -> None:
        self.root = root.expanduser().resolve()

    def uri(self, key: str) -> str:
        """Absolute path of ``key``."""
        return str(self.root / check_key(key))

    def key(self, uri: str) -> str:
        """Inverse of :meth:`uri`."""
        try:
            return Path(uri.removeprefix("file://")).relative_to(self.root).as_posix()
        except ValueError as error:
            raise _elsewhere(uri, str(self.root)) from error

    def put_directory(self, local: Path, key: str) -> str:
        """See :meth:`Store.put_directory`. Of two writers at once, one wins and the other compares."""
        read_artifact(local)
        target = self.root / check_key(key)
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            scratch = Path(mkdtemp(prefix=f".{target.name}.", dir=target.parent))
            try:
                shutil.copytree(local, scratch / "d")
                (scratch / "d").replace(target)
            finally:
                shutil.rmtree(scratch, ignore_errors=True)
        except (OSError, shutil.Error) as error:
            if _taken(error):
                check_same(local, target / MANIFEST, str(target))
            elif _full(error):
                raise OutOfSpace(
                    f"The disk filled up while {target} was being written.",
                    "Free some space and run again; nothing was changed.",
                ) from error
            else:
                raise
        return str(target)

    def get_directory(self, key: str, local: Path) -> Path:
        """See :meth:`Store.get_directory`."""
        source = self.local(key)
        with atomic_directory(local) as scratch:
            shutil.copytree(source, scratch, dirs_exist_ok=True)
            read_artifact(scratch)
        return local

    def local(self, key: str) -> Path:
        """The directory in the store itself."""
        if not self.exists(key):
            raise unknown_key(key, str(self.root))
        return read_artifact(self.root / check_key(key)).directory

    def exists(self, key: str) -> bool:
        """Whether ``key`` has a manifest."""
        return (self.root / check_key(key) / MANIFEST).is_file()

    def list(self, prefix: str = "") -> list[str]:
        """See :meth:`Store.list`."""
        start = self.root / check_key(prefix) if prefix.strip("/") else self.root
        keys = (p.parent.relative_to(self.root) for p in start.rglob(MANIFEST))
        return sorted(k.as_posix() for k in keys if not any(part.startswith(".") for part in k.parts))


def unknown_key(key: str, store: str) -> UnknownModel:
    """The error for a key without an artifact."""
    return UnknownModel(f"{store} holds no artifact {key!r}.", "`arthaflow models show <name>` lists what there is.")


def _elsewhere(uri: str, store: str) -> ConfigurationError:
    return ConfigurationError(
        f"The artifact {uri} is not in the store {store}.",
        "Set ARTHAFLOW_ARTIFACT_STORE to the store it was written to.",
    )


def _taken(error: OSError) -> bool:
    return error.errno in (errno.ENOTEMPTY, errno.EEXIST)


def _full(error: OSError) -> bool:
    # copytree collects the errors of single files in one shutil.Error, as text.
    text = str(error) if isinstance(error, shutil.Error) else ""
    return error.errno in (errno.ENOSPC, errno.EDQUOT) or os.strerror(errno.ENOSPC) in text
