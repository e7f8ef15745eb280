"""What the rollout engine needs of the place it works on."""

from __future__ import annotations

from typing import Protocol

from components.rollout.metrics import WindowMetrics


class RolloutTarget(Protocol):
    """One model's serving, with a stable version and at most one canary."""

    @property
    def model(self) -> str:
        """Name of the model."""
        ...

    @property
    def stable_version(self) -> str:
        """The version that serves now."""
        ...

    @property
    def canary_version(self) -> str:
        """The version that is rolled out; empty when there is none."""
        ...

    def deploy_canary(self, version: str, artifact: str) -> None:
        """Start a version without traffic and wait until it is ready.

        Raises
        ------
        ArthaflowError
            If it does not become ready; nothing of it is left behind then.
        """
        ...

    def set_canary_weight(self, percent: int) -> None:
        """Send this share of the traffic to the canary."""
        ...

    def window(self, version: str, since: float, until: float) -> WindowMetrics:
        """Return what one version did between two times (seconds since the epoch)."""
        ...

    def promote(self) -> None:
        """Make the canary the stable version; drain and remove the old one."""
        ...

    def rollback(self) -> None:
        """Send all traffic to the stable version; drain and remove the canary."""
        ...
