"""What stops a rollout without saying anything about the version: the course stays as recorded, and can be resumed."""

from __future__ import annotations

from components.errors import ArthaflowError


class Interrupted(ArthaflowError):
    """The rollout cannot go on now. Nothing is undone: run the same rollout again, and it continues."""

    status = 503


class ClusterUnavailable(Interrupted):
    """The API server cannot be reached, keeps failing, or refuses us."""


class LeaseLost(Interrupted):
    """Another process took the model's lease: whatever comes next is its business."""

    status = 409


class RolloutBusy(Interrupted):
    """Another rollout of the model is running; the message names who holds it."""

    status = 409


class RolloutUnfinished(Interrupted):
    """Another version's rollout stands unfinished in the cluster."""

    status = 409


class Blind(ArthaflowError):
    """The metrics cannot be read now: a step cannot be judged, which is no fault of the version."""

    status = 503
