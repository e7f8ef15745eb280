"""Wait until an object is as wanted: by watching it, and by looking again whenever the watch has a gap."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from components.rollout.clock import Clock
from components.rollout.interruption import ClusterUnavailable
from components.rollout.targets.kube import Gone, KubeClient, Object

WATCH_S = 20.0
PAUSE_S = 0.5

Check = Callable[[Object | None], tuple[bool, str]]


@dataclass(frozen=True)
class Waited:
    """What came of waiting.

    Attributes
    ----------
    done : bool
        Whether the object got as wanted in time.
    said : str
        What the check said last.
    found : Object or None
        The object as it was seen last.
    """

    done: bool
    said: str
    found: Object | None


def wait_for(kube: KubeClient, kind: str, name: str, check: Check, timeout_s: float, clock: Clock) -> Waited:
    """Wait until ``check`` of the object says yes, at most ``timeout_s`` seconds.

    A watch that is cut off, that ends, or whose place the server has forgotten (410) is followed by a fresh look, so
    that nothing that happened in between is missed.
    """
    deadline = clock.now() + timeout_s
    while True:
        found = kube.get(kind, name)
        done, said = check(found)
        left = deadline - clock.now()
        if done or left <= 0:
            return Waited(done, said, found)
        version = str((found or {}).get("metadata", {}).get("resourceVersion", ""))
        try:
            for seen in kube.watch(kind, name, version, min(left, WATCH_S)):
                done, said = check(seen)
                if done:
                    return Waited(True, said, seen)
                if clock.now() >= deadline:
                    break
        except (Gone, ClusterUnavailable):
            pass  # the fresh look tells; it raises when the server is really gone
        clock.sleep(min(PAUSE_S, max(0.0, deadline - clock.now())))
