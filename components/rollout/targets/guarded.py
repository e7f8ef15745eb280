"""A client that changes nothing once the lease is lost."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from components.rollout.targets.kube import KubeClient, Object
from components.rollout.targets.lease import Lease


@dataclass
class Guarded:
    """The same client, whose writes ask the lease first.

    A write that is on its way while the lease is taken is refused by the ``resourceVersion`` that it carries, as soon
    as the new holder has written the same object.
    """

    inner: KubeClient
    lease: Lease

    @property
    def namespace(self) -> str:
        """The namespace."""
        return self.inner.namespace

    def get(self, kind: str, name: str) -> Object | None:
        """Return an object, or None if there is none."""
        return self.inner.get(kind, name)

    def create(self, manifest: Object) -> Object:
        """Make an object."""
        self.lease.hold()
        return self.inner.create(manifest)

    def replace(self, manifest: Object) -> Object:
        """Write an object whose ``resourceVersion`` must be the current one."""
        self.lease.hold()
        return self.inner.replace(manifest)

    def delete(self, kind: str, name: str) -> None:
        """Delete an object; nothing happens if there is none."""
        self.lease.hold()
        self.inner.delete(kind, name)

    def watch(self, kind: str, name: str, version: str, timeout_s: float) -> Iterator[Object | None]:
        """Yield the object at each change."""
        return self.inner.watch(kind, name, version, timeout_s)
