"""S3Store: artifacts in MinIO or any other S3 service, in the layout that KServe's storage initialiser downloads."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from components.errors import ArtifactCorrupt, ConfigurationError
from components.registry.artifact import Artifact, atomic_directory, read_artifact
from components.registry.store import MANIFEST, check_key, check_same, unknown_key
from components.settings import Settings

if TYPE_CHECKING:
    from minio import Minio

TIMEOUT_S = 20.0
MISSING = frozenset({"NoSuchKey", "NoSuchObject"})
REFUSED = frozenset({"AccessDenied", "InvalidAccessKeyId", "SignatureDoesNotMatch"})


class S3Store:
    """Artifacts below one prefix of a bucket, with a verified cache on the local disk.

    Parameters
    ----------
    client : Minio
        Connection.
    bucket, prefix : str
        Place; the prefix may be empty.
    cache : Path
        Folder of verified copies.
    """

    def __init__(self, client: Minio, bucket: str, prefix: str, cache: Path) -> None:
        self.client, self.bucket, self.prefix, self.cache = client, bucket, prefix, cache

    @classmethod
    def open(cls, uri: str, config: Settings) -> S3Store:
        """Connect to ``s3://bucket/prefix`` with the endpoint and the credentials of the settings.

        Raises
        ------
        ConfigurationError
            If the endpoint, the credentials or the bucket's name are missing.
        """
        place, endpoint = urlsplit(uri), urlsplit(config.s3_endpoint)
        if not place.netloc:
            raise ConfigurationError(f"ARTHAFLOW_ARTIFACT_STORE {uri!r} names no bucket.", "Use s3://bucket/prefix.")
        if endpoint.scheme not in ("http", "https") or not endpoint.netloc:
            raise ConfigurationError(
                f"ARTHAFLOW_S3_ENDPOINT is {config.s3_endpoint!r}, but the artifact store is {uri}.",
                "Set it to http(s)://host:port of the S3 service.",
            )
        access = config.s3_access_key.get_secret_value() or os.environ.get("AWS_ACCESS_KEY_ID", "")
        secret = config.s3_secret_key.get_secret_value() or os.environ.get("AWS_SECRET_ACCESS_KEY", "")
        if not access or not secret:
            raise ConfigurationError(
                f"There are no credentials for the artifact store {uri}.",
                "Set ARTHAFLOW_S3_ACCESS_KEY and ARTHAFLOW_S3_SECRET_KEY.",
            )
        client = _connect(endpoint.netloc, access, secret, config.s3_region, endpoint.scheme == "https")
        cache = config.root / "cache" / place.netloc / place.path.strip("/")
        return cls(client, place.netloc, place.path.strip("/"), cache)

    def uri(self, key: str) -> str:
        """``s3://bucket/prefix/key``."""
        return f"s3://{self.bucket}/{self._object(key)}"

    def key(self, uri: str) -> str:
        """Inverse of :meth:`uri`."""
        start = f"s3://{self.bucket}/" + (f"{self.prefix}/" if self.prefix else "")
        if not uri.startswith(start):
            raise ConfigurationError(
                f"The artifact {uri} is not in the store {start}.",
                "Set ARTHAFLOW_ARTIFACT_STORE to the store it was written to.",
            )
        return uri.removeprefix(start)

    def put_directory(self, local: Path, key: str) -> str:
        """See :meth:`Store.put_directory`. The manifest goes up last: half an artifact is never seen."""
        files = read_artifact(local).manifest["files"]
        address = self.uri(key)
        with self.explained():
            if not self._same(local, key):
                for name in files:
                    self._upload(local / name, f"{self._object(key)}/{name}")
                self._upload(local / MANIFEST, f"{self._object(key)}/{MANIFEST}")
                # Of two writers of the same key at once, the manifest of one stands; the other one must learn of it.
                self._same(local, key)
        return address

    def get_directory(self, key: str, local: Path) -> Path:
        """See :meth:`Store.get_directory`."""
        with self.explained(), atomic_directory(local) as scratch:
            self._download(key, scratch)
        return local

    def local(self, key: str) -> Path:
        """The verified copy in the cache; downloaded when it is missing or was changed."""
        cached = self.cache / check_key(key)
        try:
            return read_artifact(cached).directory
        except ArtifactCorrupt:
            return self.get_directory(key, cached)

    def exists(self, key: str) -> bool:
        """Whether ``key`` has a manifest."""
        with self.explained():
            return self._manifest(key) is not None

    def list(self, prefix: str = "") -> list[str]:
        """See :meth:`Store.list`."""
        folder = "/".join(filter(None, [self.prefix, check_key(prefix) if prefix.strip("/") else ""]))
        with self.explained():
            found = self.client.list_objects(self.bucket, f"{folder}/" if folder else "", recursive=True)
            names = [str(o.object_name) for o in found]
        start = f"{self.prefix}/" if self.prefix else ""
        return sorted(n.removeprefix(start).removesuffix(f"/{MANIFEST}") for n in names if n.endswith(f"/{MANIFEST}"))

    def _object(self, key: str) -> str:
        return "/".join(filter(None, [self.prefix, check_key(key)]))

    def _upload(self, path: Path, name: str) -> None:
        self.client.fput_object(self.bucket, name, str(path))

    def _download(self, key: str, target: Path) -> Artifact:
        import json

        manifest = self._manifest(key)
        if manifest is None:
            raise unknown_key(key, f"s3://{self.bucket}/{self.prefix}")
        for name in json.loads(manifest)["files"]:
            path = target / name
            if not path.resolve().is_relative_to(target.resolve()):
                raise ArtifactCorrupt(f"The manifest of {self.uri(key)} lists {name!r}.", "Train the model again.")
            path.parent.mkdir(parents=True, exist_ok=True)
            self._fetch(f"{self._object(key)}/{name}", path)
        (target / MANIFEST).write_bytes(manifest)
        return read_artifact(target)

    def _fetch(self, name: str, path: Path) -> None:
        from minio.error import S3Error

        try:
            self.client.fget_object(self.bucket, name, str(path))
        except S3Error as error:
            if error.code in MISSING:
                raise ArtifactCorrupt(f"s3://{self.bucket}/{name} is missing.", "Train the model again.") from error
            raise

    def _manifest(self, key: str) -> bytes | None:
        from minio.error import S3Error

        try:
            answer = self.client.get_object(self.bucket, f"{self._object(key)}/{MANIFEST}")
        except S3Error as error:
            if error.code in MISSING:
                return None
            raise
        try:
            return bytes(answer.read())
        finally:
            answer.close()
            answer.release_conn()

    def _same(self, local: Path, key: str) -> bool:
        manifest = self._manifest(key)
        if manifest is None:
            return False
        with tempfile.TemporaryDirectory() as scratch:
            kept = Path(scratch, MANIFEST)
            kept.write_bytes(manifest)
            check_same(local, kept, self.uri(key))
        return True

    @contextmanager
    def explained(self) -> Iterator[None]:
        """Turn the service's refusals into one clear error."""
        from minio.error import MinioException, S3Error
        from urllib3.exceptions import HTTPError

        endpoint = self.client._base_url.host
        try:
            yield
        except S3Error as error:
            if error.code == "NoSuchBucket":
                raise ConfigurationError(
                    f"{endpoint} has no bucket {self.bucket!r}.", "Create it, or change ARTHAFLOW_ARTIFACT_STORE."
                ) from error
            if error.code in REFUSED:
                raise ConfigurationError(
                    f"{endpoint} refuses access to the bucket {self.bucket!r} ({error.code}).",
                    "Check ARTHAFLOW_S3_ACCESS_KEY, ARTHAFLOW_S3_SECRET_KEY and the bucket's policy.",
                ) from error
            raise ConfigurationError(f"{endpoint} answered {error.code}: {error.message}", "Try again.") from error
        except MinioException as error:
            raise ConfigurationError(
                f"{endpoint} answered with something that is not S3 ({str(error)[:200]}).",
                "Check ARTHAFLOW_S3_ENDPOINT and the service's log, then try again.",
            ) from error
        except HTTPError as error:
            raise ConfigurationError(
                f"The S3 service at {endpoint} cannot be reached ({type(error).__name__}).",
                "Start it, or correct ARTHAFLOW_S3_ENDPOINT.",
            ) from error


def _connect(host: str, access: str, secret: str, region: str, secure: bool) -> Minio:
    import urllib3
    from minio import Minio

    # Every request here may be sent twice: keys are immutable, and a manifest goes up last.
    retries = urllib3.Retry(total=4, backoff_factor=0.2, status_forcelist=(500, 502, 503, 504))
    options: dict[str, Any] = {"timeout": TIMEOUT_S, "retries": retries}
    pool = urllib3.PoolManager(**options)
    return Minio(host, access, secret, secure=secure, region=region, http_client=pool)
