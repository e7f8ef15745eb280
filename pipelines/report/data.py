"""ReportData: everything the report can show, as plain JSON-able pieces and data frames."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from components.models.spec import ModelSpec

if TYPE_CHECKING:
    import pandas as pd

Record = Mapping[str, Any]


@dataclass(frozen=True)
class ReportData:
    """What one run left behind. Only ``spec`` is required: a section without data says why it is absent.

    Attributes
    ----------
    spec : ModelSpec
        Declaration of the model: title, horizons, nominal coverage, disclaimers, gate.
    generated_at : str
        ISO 8601 time of the run, UTC; empty for now.
    commands : tuple of str
        Shell commands that reproduce the report.
    evaluation : mapping or None
        ``Evaluation.to_dict()``.
    backtest : DataFrame or None
        Columns time, entity, horizon, fold, current, actual, point, lower, upper, rw_lower, rw_upper, regime; prices in
        the unit of the target, one row per origin and horizon.
    bars : DataFrame or None
        Columns entity, timestamp, open, high, low, close, volume.
    forecast : mapping or None
        The latest forecast in document 0's shape (``PriceForecast.present``).
    explanations : sequence of mapping
        Answers of the explainer (``{"explanations": [...]}``), or single explanations out of them.
    drift_before, drift_after : mapping or None
        The detector's ``GET /v1/drift`` before and after the simulated regime change.
    drift_samples : mapping
        By column, ``{"reference": [...], "before": [...], "after": [...]}``: values for the distributions.
    drift_simulation : str
        How the regime change was simulated, in one sentence.
    rollouts : sequence of sequence of mapping
        Per rollout, the events of its history in order (``components.rollout.history``).
    traffic : mapping or None
        What the load generator saw over all rollouts: at least ``requests`` and ``failures``.
    lineage : mapping or None
        For example data_hash, git_commit, feature_service, seed, artifact hash.
    verdict : mapping or None
        The gate's ``promote``, ``reason`` and ``checks``.
    versions : mapping or None
        ``components.registry.versions.story(name)``.
    serving : mapping or None
        Facts measured while serving, for example ready_seconds, p50_ms, p95_ms, memory_mb, requests.
    quality : mapping or None
        Counts of the data quality checks: accepted, rejected, flagged, checks.
    timings : mapping of str to float
        Seconds each part of the run took.
    notes : tuple of str
        What falls short, one sentence each.
    absent : mapping of str to str
        Why a section has no data, by its id: forecast, calibration, residuals, metrics, attributions, drift, rollout,
        lineage, serving.
    """

    spec: ModelSpec
    generated_at: str = ""
    commands: tuple[str, ...] = ()
    evaluation: Record | None = None
    backtest: pd.DataFrame | None = None
    bars: pd.DataFrame | None = None
    forecast: Record | None = None
    explanations: Sequence[Record] = ()
    drift_before: Record | None = None
    drift_after: Record | None = None
    drift_samples: Mapping[str, Mapping[str, Sequence[float]]] = field(default_factory=dict)
    drift_simulation: str = ""
    rollouts: Sequence[Sequence[Record]] = ()
    traffic: Record | None = None
    lineage: Record | None = None
    verdict: Record | None = None
    versions: Record | None = None
    serving: Record | None = None
    quality: Record | None = None
    timings: Mapping[str, float] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    absent: Mapping[str, str] = field(default_factory=dict)

    @property
    def judged(self) -> bool:
        """Whether a judge of the model's own evaluated it."""
        return bool((self.evaluation or {}).get("judged"))
