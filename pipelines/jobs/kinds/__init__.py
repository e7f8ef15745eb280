"""The kinds of jobs: what each does, and what takes back a half-done one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from components.errors import ConfigurationError
from pipelines.jobs.context import JobContext


@dataclass(frozen=True)
class Kind:
    """One kind of job.

    Attributes
    ----------
    run : str
        ``module:function`` from a :class:`JobContext` to the result, a JSON-ready mapping.
    undo : str
        The same for what takes back an attempt that was cut short; it may find that all was done: it returns the
        result then, else None. Empty where there is nothing to take back.
    idempotent : bool
        Whether an attempt that was cut short may be made again.
    syncs : bool
        Whether it may change what MLflow knows, so that the records are brought up to it afterwards.
    """

    run: str
    undo: str = ""
    idempotent: bool = True
    syncs: bool = True

    def load(self, which: str = "run") -> Callable[[JobContext], Any]:
        """Import one of the functions."""
        module, _, name = str(getattr(self, which)).partition(":")
        found: Callable[[JobContext], Any] = getattr(import_module(f"pipelines.jobs.kinds.{module}"), name)
        return found


KINDS = {
    "training": Kind("training:train", undo="cluster:stop"),
    "tuning": Kind("tuning:tune", undo="cluster:stop", syncs=False),
    "automl": Kind("tuning:automl", undo="cluster:stop"),
    "deployment": Kind("deployment:deploy", undo="deployment:take_back", idempotent=False),
    "retirement": Kind("retirement:retire"),
    "registration": Kind("registration:register"),
    "features": Kind("features:compute", syncs=False),
    "importance": Kind("importance:score", syncs=False),
    "sync": Kind("sync:bring_up"),
}
"""``sync`` is the worker's own: it brings the records up to the registry and to the feature definitions."""


def kind_of(name: str) -> Kind:
    """Return a kind by name.

    Raises
    ------
    ConfigurationError
        If this release knows no such kind.
    """
    found = KINDS.get(name)
    if found is None:
        raise ConfigurationError(
            f"This worker cannot run a job of the kind {name!r}.",
            f"It knows {', '.join(KINDS)}; give worker and gateway the same release.",
        )
    return found
