"""The served model as explanations ask it: which versions answered, and no longer than it is worth waiting for."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from math import inf
from threading import Event
from time import monotonic

from components.errors import ArthaflowError, ModelUnavailable
from components.models.schema import Batch
from inference.upstream import Upstream


class ExplanationTooSlow(ArthaflowError):
    """An explanation was not done in the time that the server gives it."""

    status = 504
    code = "EXPLANATION_TOO_SLOW"


@dataclass
class Watch:
    """What is known of one explanation's questions to the model.

    Attributes
    ----------
    timeout_s : float
        After which the model is not asked again, seconds.
    stop : Event
        Set when the server ends.
    versions : set of str
        Versions of the model that answered.
    """

    timeout_s: float = inf
    stop: Event = field(default_factory=Event)
    versions: set[str] = field(default_factory=set)
    began: float = field(default_factory=monotonic)

    @property
    def version(self) -> str:
        """The version that answered; several, during a canary, with commas between them."""
        return ",".join(sorted(self.versions))

    def check(self) -> None:
        """Refuse to go on where that makes no sense.

        Raises
        ------
        ExplanationTooSlow, ModelUnavailable
        """
        if self.stop.is_set():
            raise ModelUnavailable("The explainer is shutting down.", "Send the request again.")
        if monotonic() - self.began > self.timeout_s:
            raise ExplanationTooSlow(
                f"The explanation was not done within {self.timeout_s:g} s.",
                "Ask for fewer rows, repeats or samples, or give the explainer more time or a larger predictor.",
            )


_CURRENT: ContextVar[Watch | None] = ContextVar("watch", default=None)


@contextmanager
def watching(watch: Watch) -> Iterator[Watch]:
    """Watch every question that this thread asks until the block ends."""
    token = _CURRENT.set(watch)
    try:
        yield watch
    finally:
        _CURRENT.reset(token)


class ServedModel:
    """A model over the protocol, as :class:`~inference.explain.problem.Problem` wants it.

    Parameters
    ----------
    upstream : Upstream
        Its predictor, or the router before several.
    """

    def __init__(self, upstream: Upstream) -> None:
        self.upstream = upstream

    def __call__(self, batch: Batch, outputs: tuple[str, ...]) -> Batch:
        """Return some outputs of a batch."""
        watch = _CURRENT.get()
        if watch is not None:
            watch.check()
        found, parameters = self.upstream.infer(batch, outputs)
        if watch is not None and parameters.get("model_version"):
            watch.versions.add(str(parameters["model_version"]))
        return found
