"""One rollout of a model at a time: a Lease that the driver holds, renews, and checks before everything it changes."""

from __future__ import annotations

import os
import socket
from dataclasses import dataclass
from datetime import UTC, datetime

from components.rollout.clock import Clock, SystemClock
from components.rollout.interruption import ClusterUnavailable, LeaseLost, RolloutBusy
from components.rollout.targets.kube import ATTEMPTS, Conflict, KubeClient, Object
from components.rollout.targets.names import labels, state_name

SLICE = 3.0
"""A lease is renewed when a third of its time has passed."""


def process_identity() -> str:
    """Return ``host/pid`` of this process."""
    return f"{socket.gethostname()}/{os.getpid()}"


@dataclass
class Lease:
    """The lease of one model's rollouts.

    Parameters
    ----------
    kube : KubeClient
        The API server.
    base : str
        The model's name there.
    holder : str
        Who we are: the id of a pipeline run, or :func:`process_identity`. The tasks of a run are one holder.
    duration_s : float
        How long it is ours after the last renewal; longer than the longest gap between two tasks of a run. Clocks of
        different machines may differ by much less than this.
    clock : Clock
        For tests.
    """

    kube: KubeClient
    base: str
    holder: str
    duration_s: float = 60.0
    clock: Clock | None = None
    _renewed: float = float("-inf")

    def acquire(self, force: bool = False) -> None:
        """Take the lease: a free one, our own, or one that has expired; with ``force`` also another's.

        Raises
        ------
        RolloutBusy
            If somebody else holds it.
        """
        for _ in range(ATTEMPTS):
            found = self.kube.get("Lease", state_name(self.base))
            if found is not None and not force:
                self._refuse_others(found)
            try:
                self._write(found)
            except Conflict:
                continue
            return
        raise ClusterUnavailable(f"The lease {state_name(self.base)} is fought over.", "Try again in a minute.")

    def hold(self) -> None:
        """Renew the lease where it is time to.

        Raises
        ------
        LeaseLost
            If it is somebody else's by now, or could not be renewed before it ended.
        """
        now = self._now()
        if now - self._renewed < self.duration_s / SLICE:
            return
        try:
            for _ in range(ATTEMPTS):
                if self._renew():
                    return
            raise ClusterUnavailable(f"The lease {state_name(self.base)} is fought over.", "Try again in a minute.")
        except ClusterUnavailable as error:
            if self._now() >= self._renewed + self.duration_s:
                raise LeaseLost(
                    f"The lease of {self.base} could not be renewed in time ({error.problem}).",
                    "Nothing more was changed. Run the same command again.",
                ) from error

    def _renew(self) -> bool:
        found = self.kube.get("Lease", state_name(self.base))
        if found is None or _holder(found) != self.holder:
            whose = (_holder(found) if found else "") or "nobody"
            raise LeaseLost(
                f"The rollout of {self.base} lost its lease: it belongs to {whose} now.",
                "Nothing more was changed. See `arthaflow rollout status`.",
            )
        try:
            self._write(found)
        except Conflict:
            return False
        return True

    def release(self) -> None:
        """Give the lease back, if it is ours."""
        found = self.kube.get("Lease", state_name(self.base))
        self._renewed = float("-inf")
        if found is None or _holder(found) != self.holder:
            return
        spec = {k: v for k, v in found["spec"].items() if k != "holderIdentity"}
        try:
            self.kube.replace({**found, "spec": spec})
        except Conflict:
            return  # somebody took it in this moment: it had expired

    def _refuse_others(self, found: Object) -> None:
        holder = _holder(found)
        if holder in ("", self.holder) or _is_dead(holder):
            return
        left = _ends(found) - self._now()
        if left > 0:
            raise RolloutBusy(
                f"A rollout of {self.base} is being driven by {holder}.",
                f"Wait for it, or end it: `arthaflow rollout abort`. If it died, its lease ends in {left:.0f} s.",
            )

    def _write(self, found: Object | None) -> None:
        now = self._now()
        kept = dict((found or {}).get("spec") or {})
        change = kept.get("holderIdentity") != self.holder
        spec = {
            **kept,
            "holderIdentity": self.holder,
            "leaseDurationSeconds": max(1, round(self.duration_s)),
            "renewTime": _micro(now),
            "acquireTime": _micro(now) if change else kept.get("acquireTime", _micro(now)),
            "leaseTransitions": int(kept.get("leaseTransitions", 0)) + change,
        }
        if found is None:
            name = {"name": state_name(self.base), "namespace": self.kube.namespace, "labels": labels(self.base)}
            self.kube.create({"kind": "Lease", "metadata": name, "spec": spec})
        else:
            self.kube.replace({**found, "kind": "Lease", "spec": spec})
        self._renewed = now

    def _now(self) -> float:
        self.clock = self.clock or SystemClock()
        return self.clock.now()


@dataclass
class LeasedClock:
    """A clock whose waits keep the lease alive, and end when it is lost."""

    inner: Clock
    lease: Lease

    def now(self) -> float:
        """Return seconds since the epoch."""
        return self.inner.now()

    def sleep(self, seconds: float) -> None:
        """Wait."""
        while seconds > 0:
            part = min(seconds, self.lease.duration_s / SLICE)
            self.inner.sleep(part)
            self.lease.hold()
            seconds -= part


def lease_holder(kube: KubeClient, base: str) -> tuple[str, float]:
    """Return who holds a model's lease (or empty), and when it ends, seconds since the epoch."""
    found = kube.get("Lease", state_name(base))
    return (_holder(found), _ends(found)) if found else ("", 0.0)


def _holder(lease: Object) -> str:
    return str((lease.get("spec") or {}).get("holderIdentity") or "")


def _ends(lease: Object) -> float:
    spec = lease.get("spec") or {}
    renewed = spec.get("renewTime")
    if not renewed:
        return 0.0
    return datetime.fromisoformat(renewed).timestamp() + float(spec.get("leaseDurationSeconds") or 0)


def _is_dead(holder: str) -> bool:
    """Whether a holder is a process of this machine that is no more."""
    host, _, pid = holder.rpartition("/")
    if host != socket.gethostname() or not pid.isdigit():
        return False
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    return False


def _micro(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
