"""An experiment as it was designed, before any user was seen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any

from components.experiments.assignment import BUCKETS, Slice, choose
from components.experiments.metric import Metric

VARIANTS = ("control", "treatment")
TRACKS = {"control": "stable", "treatment": "canary"}
DAY_S = 86_400.0


@dataclass(frozen=True)
class Design:
    """An experiment.

    Attributes
    ----------
    name : str
        Its id for people, and the salt of its assignment.
    model : str
        Name in the catalogue.
    versions : mapping of str to str
        Version of each variant.
    split : mapping of str to float
        Share of each variant among the experiment's users, decimal.
    metrics : tuple of Metric
        One is primary.
    start, end : datetime
        UTC.
    minimum_sample_size : int
        Users in both variants before the treatment may be promoted; also where the test is tuned to be sharpest.
    minimum_days : float
        Least time before a promotion: users of a Sunday are not those of a Monday.
    alpha : float
        Chance of calling a difference where there is none.
    layer, part
        Experiments of one layer share no user; see :mod:`components.experiments.assignment`.
    overrides : mapping of str to str
        Variant of testers, by pseudonym; they are left out of the analysis.
    """

    name: str
    model: str
    versions: Mapping[str, str]
    split: Mapping[str, float]
    metrics: tuple[Metric, ...]
    start: datetime
    end: datetime
    minimum_sample_size: int = 1000
    minimum_days: float = 7.0
    alpha: float = 0.05
    layer: str = ""
    part: Slice = field(default_factory=Slice)
    overrides: Mapping[str, str] = field(default_factory=dict)

    @property
    def primary(self) -> Metric:
        """The metric that decides."""
        return next(m for m in self.metrics if m.role == "primary")

    @property
    def share(self) -> float:
        """Share of all users that are in the experiment, decimal."""
        return (self.part.stop - self.part.start) / BUCKETS

    def variant_of(self, user: str) -> str | None:
        """Return a user's variant, or None for a user that is not in the experiment."""
        forced = self.overrides.get(user)
        if forced:
            return forced
        return choose(self.name, user, self.split, layer=self.layer or self.model, part=self.part)

    def runs_at(self, moment: datetime) -> bool:
        """Whether users are assigned at that time."""
        return self.start <= moment < self.end

    def to_config(self) -> dict[str, Any]:
        """Return what ``model_experiments.config`` holds: all that has no column of its own."""
        return {
            "versions": dict(self.versions),
            "split": dict(self.split),
            "metrics": [m.to_dict() for m in self.metrics],
            "minimum_sample_size": self.minimum_sample_size,
            "minimum_days": self.minimum_days,
            "alpha": self.alpha,
            "layer": self.layer,
            "part": asdict(self.part),
            "overrides": dict(self.overrides),
        }

    @classmethod
    def from_config(cls, name: str, model: str, start: datetime, end: datetime, raw: Mapping[str, Any]) -> Design:
        """Inverse of :meth:`to_config`."""
        return cls(
            name=name,
            model=model,
            versions=dict(raw["versions"]),
            split={v: float(raw["split"][v]) for v in VARIANTS},
            metrics=tuple(Metric.from_dict(m) for m in raw["metrics"]),
            start=start,
            end=end,
            minimum_sample_size=int(raw["minimum_sample_size"]),
            minimum_days=float(raw["minimum_days"]),
            alpha=float(raw["alpha"]),
            layer=str(raw.get("layer", "")),
            part=Slice(**raw["part"]) if raw.get("part") else Slice(),
            overrides=dict(raw.get("overrides") or {}),
        )
