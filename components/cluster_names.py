"""A model's name on a cluster: of its objects, graphs and experiments; the chart's ``arthaflow.base`` is the same."""

from __future__ import annotations


def base_name(model: str) -> str:
    """Return a model's name as Kubernetes takes it: ``price_forecast`` to ``price-forecast``."""
    return model.replace("_", "-").lower()
