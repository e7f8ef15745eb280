"""What the Helm chart knows of every model: ``charts/arthaflow/models.yaml``, written from the catalogue.

The chart's values say which version of a model is served and may overrule any of this; nothing of it is edited by hand.
"""

from __future__ import annotations

from math import ceil
from pathlib import Path
from typing import Any

from components.catalog import catalogue
from components.cluster_names import base_name
from components.models.spec import ModelSpec

HEADER = """\
# Generated from the catalogue by `make manifests`; do not edit. Templates read it through the helper arthaflow.models,
# and values.yaml overrules it per model.
"""


def chart_models() -> dict[str, dict[str, Any]]:
    """Return the chart's entry of every model of the catalogue, by name."""
    return {name: entry(spec) for name, spec in catalogue().items()}


def entry(spec: ModelSpec) -> dict[str, Any]:
    """Return what the chart needs of one model; times in seconds unless the key says otherwise."""
    serving, slo, training, rollout = spec.serving, spec.slo, spec.training, spec.rollout
    return {
        "base": base_name(spec.name),
        "title": spec.title,
        "owner": spec.owner,
        "room": spec.room,
        "role": spec.predictor_role,
        "runtime": spec.runtime,
        "cpu": serving.cpu,
        "memory": serving.memory,
        "minReplicas": serving.min_replicas,
        "maxReplicas": serving.max_replicas,
        "timeout": ceil(serving.timeout_s),
        "accelerator": serving.accelerator,
        "batching": serving.batching,
        "maxBatch": serving.max_batch,
        "explainer": bool(spec.explainer.kinds),
        "detector": bool(spec.drift.detectors),
        "featureService": spec.feature_service,
        "slo": {
            "p95Ms": slo.p95_ms,
            "errorRate": slo.error_rate,
            "availability": slo.availability,
            "maxDistributionDistance": slo.max_distribution_distance,
        },
        "rollout": {
            "output": rollout.output,
            "column": rollout.column,
            "relativeTo": rollout.relative_to,
            "tolerance": rollout.tolerance,
        },
        "schedule": training.schedule,
        "training": {"image": training.image, "timeout": training.timeout_s, "accelerator": training.accelerator},
    }


def render_chart_models() -> str:
    """Return the text of ``models.yaml``; the same catalogue gives the same text."""
    import yaml

    return HEADER + yaml.safe_dump(chart_models(), sort_keys=False, default_flow_style=False, width=120)


def write_chart_models(path: Path) -> Path:
    """Write ``models.yaml``; return its path."""
    path.write_text(render_chart_models(), encoding="utf-8")
    return path
