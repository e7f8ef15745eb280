"""Accuracy over time, from model_performance_metrics, and how it compares with what the version promised.

The ratio is 1 where a version is as good as it was when it was registered, and below 1 where it is worse: the share of
right answers over the registered share, or the registered error over the present one. Present means the newest period
and those before it, up to a week, weighted by how many predictions were made in each.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from sqlalchemy import Connection, and_, select

from components.records.tables import ml_models, model_performance_metrics

RISING = ("accuracy", "f1_score", "auc_roc")
"""Figures of which more is better."""

FALLING = ("root_mean_squared_error", "mean_absolute_error", "mean_absolute_percentage_error")
"""Errors, of which less is better."""

PERIOD = "daily"
DAYS = 7


@dataclass(frozen=True)
class Point:
    """One period of one version.

    Attributes
    ----------
    model, version : str
    day : date
    figures : mapping
        Those of :data:`RISING` and :data:`FALLING` that are known.
    predictions : int
        How many were made.
    """

    model: str
    version: str
    day: date
    figures: Mapping[str, float]
    predictions: int


@dataclass(frozen=True)
class Ratio:
    """How good a version is, beside what it promised.

    Attributes
    ----------
    model, version : str
    figure : str
        What was compared.
    value : float
        1 is as promised; less is worse.
    present, registered : float
        The figure now and then.
    since : date
        First of the days in a row, back from the newest, that are worse than promised; the newest if it is not.
    """

    model: str
    version: str
    figure: str
    value: float
    present: float
    registered: float
    since: date


def history(connection: Connection, begin: date, models: Iterable[str] = ()) -> list[Point]:
    """Return the daily figures since a day, oldest first."""
    m, k = model_performance_metrics.c, ml_models.c
    columns = [getattr(m, name) for name in (*RISING, *FALLING)]
    within = and_(m.evaluation_period == PERIOD, m.metric_date >= begin)
    wanted = list(models)
    if wanted:
        within = and_(within, k.model_name.in_(wanted))
    query = (
        select(k.model_name, k.model_version, m.metric_date, m.total_predictions, *columns)
        .join(ml_models, k.id == m.model_id)
        .where(within)
        .order_by(m.metric_date, k.model_name, k.model_version)
    )
    found = []
    for model, version, day, predictions, *values in connection.execute(query):
        figures = {n: float(v) for n, v in zip((*RISING, *FALLING), values, strict=True) if v is not None}
        found.append(Point(model, version, day, figures, int(predictions or 0)))
    return found


def promised(connection: Connection, models: Iterable[str] = ()) -> dict[tuple[str, str], dict[str, float]]:
    """Return what each version's figures were when it was registered, as far as the registry's mirror knows them."""
    k = ml_models.c
    query = select(k.model_name, k.model_version, k.validation_accuracy, k.accuracy, k.f1_score, k.custom_metrics)
    wanted = list(models)
    if wanted:
        query = query.where(k.model_name.in_(wanted))
    found: dict[tuple[str, str], dict[str, float]] = {}
    for model, version, validated, accuracy, f1_score, custom in connection.execute(query):
        told = {"accuracy": accuracy if accuracy is not None else validated, "f1_score": f1_score}
        told |= {n: custom[n] for n in (*RISING, *FALLING) if isinstance(custom, Mapping) and n in custom}
        found[model, version] = {n: float(v) for n, v in told.items() if _number(v)}
    return found


def ratios(connection: Connection, today: date, models: Iterable[str] = ()) -> list[Ratio]:
    """Return the ratio of every version that was judged within a week; the first figure that both sides know counts."""
    wanted = list(models)
    registered = promised(connection, wanted)
    series: defaultdict[tuple[str, str], list[Point]] = defaultdict(list)
    for point in history(connection, today - timedelta(days=2 * DAYS), wanted):
        series[point.model, point.version].append(point)
    found = []
    for key, points in series.items():
        newest = points[-1].day
        if newest < today - timedelta(days=DAYS):
            continue
        ratio = _ratio(key, [p for p in points if p.day > newest - timedelta(days=DAYS)], registered.get(key, {}))
        if ratio is not None:
            found.append(ratio)
    return found


def _ratio(key: tuple[str, str], points: list[Point], registered: Mapping[str, float]) -> Ratio | None:
    for figure in (*RISING, *FALLING):
        judged = [p for p in points if figure in p.figures and p.predictions > 0]
        before = registered.get(figure)
        if not judged or before is None or before <= 0:
            continue
        total = sum(p.predictions for p in judged)
        present = sum(p.figures[figure] * p.predictions for p in judged) / total
        value = compare(figure, present, before)
        if value is None:
            continue
        since = judged[-1].day
        for point in reversed(judged):
            own = compare(figure, point.figures[figure], before)
            if own is None or own >= 1:
                break
            since = point.day
        return Ratio(*key, figure, value, present, before, since)
    return None


def compare(figure: str, present: float, registered: float) -> float | None:
    """Return present over registered, or for an error registered over present; None without a meaning.

    Examples
    --------
    >>> compare("accuracy", 0.54, 0.60)
    0.9
    >>> compare("root_mean_squared_error", 2.0, 1.0)
    0.5
    """
    if figure in RISING:
        return round(present / registered, 6)
    return round(registered / present, 6) if present > 0 else None


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and value == value
