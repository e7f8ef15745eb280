"""What clients send: document 0's A/B configuration and document 1's fields of model_experiments, one model behind."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, StringConstraints, model_validator

from components.experiments.design import VARIANTS
from components.experiments.metric import Kind, Metric, Role, named
from components.wire import Moment, Payload

Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.:-]{0,199}$")]
Short = Annotated[str, StringConstraints(min_length=1, max_length=100)]
VariantName = Literal["control", "treatment"]
RESERVED = frozenset({"plan"})
"""Names that stand where an experiment's stands in a path."""
DAYS = 14
LONGEST_DAYS = 366
LARGEST = 1e12
"""Squares and sums of reported numbers stay numbers."""
_BOTH: tuple[VariantName, VariantName] = ("control", "treatment")


class Variant(Payload):
    """One variant of document 0's configuration."""

    model_version: Annotated[str, StringConstraints(min_length=1, max_length=50)] = Field(examples=["v1.8.0", "2"])
    traffic_split: float = Field(ge=0, le=100, description="Share, 0.5 or 50", examples=[0.5])


class MetricRequest(Payload):
    """A metric with more to say than its name."""

    name: Short
    kind: Kind = "ratio"
    direction: Literal["higher", "lower"] | None = Field(None, description="Which is better; by its name when left out")
    margin: float = Field(0.02, ge=0, le=1, description="Guardrails: how much worse, as a share of the control's mean")

    def settle(self, role: Role) -> Metric:
        """Return the metric."""
        lower = named(self.name).lower_is_better if self.direction is None else self.direction == "lower"
        return Metric(self.name, role, self.kind, lower, self.margin)


class ExperimentRequest(Payload):
    """A new experiment. Use document 0's fields (``experiment_id``, ``variants``, ``duration_days``) or document 1's
    (``experiment_name``, ``control_model_id``, ``traffic_allocation``, ``start_date``); what they share is shared.
    """

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "experiment_id": "recommendation_model_v2",
                    "description": "Testing new collaborative filtering layer",
                    "variants": {
                        "control": {"model_version": "v1.8.0", "traffic_split": 0.5},
                        "treatment": {"model_version": "v2.0.0", "traffic_split": 0.5},
                    },
                    "success_metrics": [
                        "recommendation_click_rate",
                        "investment_conversion_rate",
                        "user_satisfaction_score",
                    ],
                    "duration_days": 14,
                    "minimum_sample_size": 10000,
                    "model": "price_forecast",
                },
                {
                    "experiment_name": "price_forecast_v2",
                    "control_model_id": "0b6f3c1e-6f0a-4f0c-9d57-1f2b7c3d4e5f",
                    "treatment_model_id": "5e4d3c2b-1a0f-4e9d-8c7b-6a5f4e3d2c1b",
                    "traffic_allocation": {"control": 50, "treatment": 50},
                    "success_metrics": ["accuracy", "sharpe_ratio", "user_engagement"],
                    "start_date": "2026-12-01T00:00:00Z",
                    "end_date": "2026-12-15T00:00:00Z",
                },
            ]
        },
    )

    experiment_id: Name | None = None
    experiment_name: Name | None = None
    description: str = Field("", max_length=10_000)
    experiment_description: str = Field("", max_length=10_000)
    model: Annotated[str, StringConstraints(max_length=200)] | None = Field(
        None, description="Name in the catalogue; found by the versions when left out"
    )
    variants: dict[VariantName, Variant] | None = None
    control_model_id: str | None = Field(None, max_length=64)
    treatment_model_id: str | None = Field(None, max_length=64)
    traffic_allocation: dict[VariantName, Annotated[float, Field(ge=0, le=100)]] | None = None
    success_metrics: list[Short | MetricRequest] = Field(min_length=1, max_length=20, description="The first decides")
    guardrail_metrics: list[Short | MetricRequest] = Field(default_factory=list, max_length=20)
    start_date: Moment | None = None
    end_date: Moment | None = None
    duration_days: float | None = Field(None, ge=0.001, le=LONGEST_DAYS)
    minimum_sample_size: int = Field(1000, ge=200, le=100_000_000, description="Users in both variants")
    minimum_days: float = Field(7.0, ge=0, le=LONGEST_DAYS)
    alpha: float = Field(0.05, ge=1e-6, lt=0.5)
    traffic_share: float = Field(1.0, ge=0.001, le=1, description="Share of all users that are in the experiment")
    layer: Annotated[str, StringConstraints(max_length=100)] = Field(
        "", description="Experiments of one layer share no user; the model's own when left out"
    )
    overrides: dict[Annotated[str, StringConstraints(max_length=200)], VariantName] = Field(
        default_factory=dict, max_length=100, description="Testers by user id; kept as pseudonyms, never analysed"
    )

    @model_validator(mode="after")
    def _one_form(self) -> ExperimentRequest:
        if (self.experiment_id is None) == (self.experiment_name is None):
            raise ValueError("give experiment_id (document 0) or experiment_name (document 1)")
        if self.name in RESERVED:
            raise ValueError(f"{self.name!r} is a path of this API; choose another name")
        ids = (self.control_model_id, self.treatment_model_id)
        if (self.variants is None) == (None in ids):
            raise ValueError("give variants, or control_model_id and treatment_model_id")
        if self.variants is not None and set(self.variants) != set(VARIANTS):
            raise ValueError("variants needs both control and treatment")
        if self.traffic_allocation is not None and (self.variants or set(self.traffic_allocation) != set(VARIANTS)):
            raise ValueError("traffic_allocation needs control and treatment, and goes without variants")
        if self.end_date and self.duration_days:
            raise ValueError("give end_date or duration_days")
        names = [m.name for m in self.metrics()]
        if len(set(names)) < len(names):
            raise ValueError("a metric is named twice")
        self.split()
        start, end = self.period(datetime.now(UTC))
        if not start < end <= start + timedelta(days=LONGEST_DAYS):
            raise ValueError(f"end_date must be after start_date, by at most {LONGEST_DAYS} days")
        return self

    @property
    def name(self) -> str:
        """The experiment's id for people."""
        return str(self.experiment_id or self.experiment_name)

    def split(self) -> dict[str, float]:
        """Return the shares, decimal.

        Raises
        ------
        ValueError
            If they add up to neither 1 nor 100, or one is nothing.
        """
        if self.variants is not None:
            raw = [self.variants[v].traffic_split for v in _BOTH]
        else:
            raw = [self.traffic_allocation[v] for v in _BOTH] if self.traffic_allocation else [50.0, 50.0]
        total = sum(raw)
        scale = next((s for s in (1.0, 100.0) if abs(total - s) <= 1e-6 * s), None)
        if scale is None:
            raise ValueError(f"the traffic splits add up to {total:g}, and must add up to 1 or 100")
        if min(raw) < 0.01 * scale:
            raise ValueError("each variant needs at least 1 % of the traffic")
        return dict(zip(VARIANTS, (share / scale for share in raw), strict=True))

    def metrics(self) -> list[Metric]:
        """Return all metrics; the first success metric decides."""
        out = []
        for index, item in enumerate(self.success_metrics):
            out.append(_metric(item, "secondary" if index else "primary"))
        return out + [_metric(item, "guardrail") for item in self.guardrail_metrics]

    def period(self, now: datetime) -> tuple[datetime, datetime]:
        """Return start and end, UTC."""
        start = self.start_date or now
        return start, self.end_date or start + timedelta(days=self.duration_days or DAYS)


def _metric(item: str | MetricRequest, role: Role) -> Metric:
    return named(item, role) if isinstance(item, str) else item.settle(role)


class Observation(Payload):
    """One report of one user's metric: a click rate's clicks (``value``) and impressions (``weight``), or a number."""

    key: Annotated[str, StringConstraints(min_length=1, max_length=200)] = Field(
        description="Makes the report idempotent: the same key is taken once", examples=["u-17/2026-11-21/clicks"]
    )
    user: Annotated[str, StringConstraints(min_length=1, max_length=200)] = Field(
        description="The user id; only its pseudonym is kept", examples=["u-17"]
    )
    metric: Short = Field(examples=["recommendation_click_rate"])
    value: float = Field(ge=-LARGEST, le=LARGEST, examples=[3])
    weight: float = Field(1.0, ge=1e-6, le=LARGEST, description="Denominator of a rate", examples=[20])
    pre_period: float | None = Field(
        None, ge=-LARGEST, le=LARGEST, description="The user's same metric before the experiment", examples=[0.12]
    )
    segments: dict[Short, Short] = Field(default_factory=dict, max_length=10, examples=[{"tier": "premium"}])
    segment: Short | None = Field(None, description="Short for segments.segment")
    at: Moment | None = Field(None, description="When it happened; now when left out")

    def labels(self) -> dict[str, str]:
        """Return the segments by dimension."""
        return {**self.segments, **({"segment": self.segment} if self.segment else {})}


class ObservationBatch(Payload):
    """Up to 1,000 reports."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "observations": [
                        {
                            "key": "u-17/2026-11-21/clicks",
                            "user": "u-17",
                            "metric": "recommendation_click_rate",
                            "value": 3,
                            "weight": 20,
                            "segments": {"tier": "premium"},
                        }
                    ]
                }
            ]
        }
    )

    observations: list[Observation] = Field(min_length=1, max_length=1000)


class StopRequest(Payload):
    """Why an experiment is stopped."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"reason": "The treatment's servers cost too much."}]})

    reason: str = Field("", max_length=10_000)


class DecisionRequest(Payload):
    """What is decided, by whom is known from the token."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"decision": "keep_control", "analysis_notes": "No gain after four weeks."}]}
    )

    decision: Literal["promote_treatment", "keep_control", "need_more_data"]
    analysis_notes: str = Field("", max_length=10_000)
    force: bool = Field(False, description="Promote in spite of a sample ratio mismatch; needs analysis_notes")


class PlanRequest(Payload):
    """Questions to the planner."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"minimum_detectable_effect": 0.02, "baseline": 0.1, "daily_users": 1000},
                {"minimum_detectable_effect": 0.1, "relative": True, "mean": 20.0, "standard_deviation": 12.5},
            ]
        }
    )

    minimum_detectable_effect: float = Field(
        ge=-LARGEST, le=LARGEST, description="Absolute, or a share of the baseline", examples=[0.02]
    )
    relative: bool = Field(False, description="Whether the effect is a share of the baseline or mean")
    baseline: float | None = Field(None, gt=0, lt=1, description="Of a rate, decimal", examples=[0.10])
    mean: float | None = Field(None, ge=-LARGEST, le=LARGEST, description="Of a number; needed for a relative effect")
    standard_deviation: float | None = Field(None, ge=1e-12, le=LARGEST, description="Of one user's number")
    traffic_split: dict[VariantName, Annotated[float, Field(gt=0, le=100)]] = Field(
        {"control": 0.5, "treatment": 0.5}, min_length=2
    )
    alpha: float = Field(0.05, ge=1e-6, lt=0.5)
    power: float = Field(0.8, ge=0.5, le=0.999999)
    cuped_correlation: float = Field(0.0, ge=-0.999, le=0.999)
    daily_users: float | None = Field(None, ge=1, le=1e10, examples=[1000])
    traffic_share: float = Field(1.0, ge=0.001, le=1)

    def arguments(self) -> dict[str, Any]:
        """Return the arguments of :func:`components.experiments.power.plan`."""
        total = sum(self.traffic_split.values())
        base = self.baseline if self.baseline is not None else self.mean
        scale = (base or 0.0) if self.relative else 1.0
        return {
            "effect": self.minimum_detectable_effect * scale,
            "baseline": self.baseline,
            "standard_deviation": self.standard_deviation,
            "treatment_share": self.traffic_split.get("treatment", 0.0) / total if total else 0.0,
            "alpha": self.alpha,
            "power": self.power,
            "correlation": self.cuped_correlation,
            "daily_users": self.daily_users,
            "traffic_share": self.traffic_share,
        }
