"""What an experiment measures, and which way is better."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

Kind = Literal["ratio", "user_mean", "total"]
Role = Literal["primary", "secondary", "guardrail"]
LOWER_WORDS = ("error", "latency", "loss", "drawdown", "churn", "complaint", "cost", "delay", "mae", "mse")
MARGIN = 0.02

FROM_OUTCOMES: dict[str, str] = {
    "accuracy": "is_correct",
    "is_correct": "is_correct",
    "hit_rate": "is_correct",
    "error": "absolute_error",
    "absolute_error": "absolute_error",
    "prediction_error": "absolute_error",
    "mean_absolute_error": "absolute_error",
    "mae": "absolute_error",
    "squared_error": "squared_error",
    "mse": "squared_error",
    "latency_ms": "latency_ms",
}
"""Metrics that the prediction log and the reported outcomes hold; everything else comes from applications."""


@dataclass(frozen=True)
class Metric:
    """One metric.

    Attributes
    ----------
    name : str
    role : str
        ``primary`` decides, ``guardrail`` must not get worse, ``secondary`` is told.
    kind : str
        See :func:`components.experiments.users.per_user`.
    lower_is_better : bool
    margin : float
        Of a guardrail: how much worse it may be, as a share of the control's mean.
    """

    name: str
    role: Role = "secondary"
    kind: Kind = "ratio"
    lower_is_better: bool = False
    margin: float = MARGIN

    @property
    def source(self) -> str:
        """Name of the prediction log's column that it comes from; empty for applications' observations."""
        return FROM_OUTCOMES.get(self.name.lower(), "")

    def to_dict(self) -> dict[str, Any]:
        """Return a JSON-ready dictionary."""
        return asdict(self)

    @classmethod
    def from_dict(cls, raw: Mapping[str, Any]) -> Metric:
        """Inverse of :meth:`to_dict`."""
        return cls(**raw)


def named(name: str, role: Role = "secondary") -> Metric:
    """Return the metric that a plain name means: an error, a loss or a latency is better when it is lower.

    Examples
    --------
    >>> named("recommendation_click_rate").lower_is_better, named("prediction_error").lower_is_better
    (False, True)
    """
    words = name.lower().split("_")
    return Metric(name, role, lower_is_better=any(word.startswith(LOWER_WORDS) for word in words))
