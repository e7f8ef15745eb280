"""Plots as inline SVG and HTML fragments, one kind a file; :func:`page` makes a self-contained page of them."""

from components.evaluation.plots.attributions import attributions
from components.evaluation.plots.calibration import calibration
from components.evaluation.plots.canary_course import canary_course
from components.evaluation.plots.drift import drift
from components.evaluation.plots.evaluation_page import evaluation_page
from components.evaluation.plots.explorer import fan_explorer
from components.evaluation.plots.fan_chart import fan_chart
from components.evaluation.plots.forecast_chart import forecast_chart
from components.evaluation.plots.markup import page
from components.evaluation.plots.metrics_table import metrics_table
from components.evaluation.plots.residuals import residuals

__all__ = [
    "attributions",
    "calibration",
    "canary_course",
    "drift",
    "evaluation_page",
    "fan_chart",
    "fan_explorer",
    "forecast_chart",
    "metrics_table",
    "page",
    "residuals",
]
