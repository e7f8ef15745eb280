"""What the rollout engine needs of the place it works on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from components.rollout.metrics import WindowMetrics


class RolloutTarget(Protocol):
    """One model's serving, with a stable version and at most one canary.

    On a cluster every method can be called again after it was cut short at any point, and completes what is missing.
    """

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
            If it does not become ready.
        """
        ...

    def set_canary_weight(self, percent: int) -> None:
        """Send this share of the traffic to the canary."""
        ...

    def window(self, version: str, since: float, until: float) -> WindowMetrics:
        """Return what one version did between two times (seconds since the epoch).

        Raises
        ------
        Blind
            If it cannot be known now.
        """
        ...

    def promote(self, announce: Callable[[], None]) -> None:
        """Make the canary the stable version; drain and remove the old one.

        Parameters
        ----------
        announce : callable
            Moves the registry's alias; called before the old version is removed.
        """
        ...

    def rollback(self) -> None:
        """Send all traffic to the stable version; drain and remove the canary."""
        ...
