"""The cluster that rollouts are tested on: a fake one always, a real API server where its programs are given."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from components.rollout.targets.kube import ApiServer, KubeClient, Object
from tests.integration.rollout.fake_kubernetes import FakeCluster, fake_cluster
from tests.integration.rollout.toy_controllers import Behaviour


@dataclass
class Cluster:
    """A cluster with a namespace ``ml``."""

    connect: Callable[[], Any]
    behaviour: Behaviour
    broken: list[str]
    check: Callable[[Object | None, Object | None], None] = lambda before, made: None
    fake: FakeCluster | None = None

    def api(self) -> ApiServer:
        """A client of its own."""
        return ApiServer("ml", self.connect(), clock=Impatient())


class Impatient:
    """A clock that does not wait between two attempts."""

    def now(self) -> float:
        return 0.0

    def sleep(self, seconds: float) -> None:
        del seconds


class Killed(BaseException):
    """The process dies here; nothing may catch it."""


@dataclass
class Wire:
    """A client that keeps a record of its calls, checks the promises after each write, and can die at one.

    Parameters
    ----------
    dies_at : int
        Number of the call, from 1; 0 for never.
    after : bool
        Die after the server has done the call, instead of before.
    """

    cluster: Cluster
    dies_at: int = 0
    after: bool = False
    calls: list[tuple[str, str, str]] = field(default_factory=list)
    inner: KubeClient = field(init=False)

    def __post_init__(self) -> None:
        self.inner = self.cluster.api()

    @property
    def namespace(self) -> str:
        return "ml"

    @property
    def writes(self) -> list[tuple[str, str, str]]:
        """The calls that changed something, without the lease."""
        return [c for c in self.calls if c[0] not in ("get", "watch") and c[1] != "Lease"]

    def get(self, kind: str, name: str) -> Object | None:
        return self._call("get", kind, name, lambda: self.inner.get(kind, name))

    def create(self, manifest: Object) -> Object:
        return self._write("create", manifest, lambda: self.inner.create(manifest))

    def replace(self, manifest: Object) -> Object:
        return self._write("replace", manifest, lambda: self.inner.replace(manifest))

    def delete(self, kind: str, name: str) -> None:
        self._call("delete", kind, name, lambda: self.inner.delete(kind, name))
        self.cluster.check(None, None)

    def watch(self, kind: str, name: str, version: str, timeout_s: float) -> Iterator[Object | None]:
        return self._call("watch", kind, name, lambda: self.inner.watch(kind, name, version, timeout_s))

    def _write(self, verb: str, manifest: Object, call: Callable[[], Object]) -> Object:
        kind, name = manifest["kind"], manifest["metadata"]["name"]
        before = self.inner.get(kind, name) if self.cluster.fake is None else None
        made = self._call(verb, kind, name, call)
        self.cluster.check(before, made)
        return made

    def _call(self, verb: str, kind: str, name: str, call: Callable[[], Any]) -> Any:
        self.calls.append((verb, kind, name))
        dying = len(self.calls) == self.dies_at
        if dying and not self.after:
            raise Killed
        answer = call()
        if dying:
            raise Killed
        return answer


@contextmanager
def fake() -> Iterator[Cluster]:
    """A fake cluster."""
    from kubernetes.client import ApiClient, Configuration

    with fake_cluster() as server:

        def connect() -> Any:
            configuration = Configuration()
            configuration.host, configuration.retries = server.url, False
            return ApiClient(configuration)

        yield Cluster(connect, server.behaviour, server.broken, fake=server)
