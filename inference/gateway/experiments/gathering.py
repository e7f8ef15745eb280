"""Evidence of an experiment: from the prediction log, from outcomes joined to it, and from applications' reports."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np
from sqlalchemy import Connection, Select, and_, case, func, literal, or_, select

from components.experiments.design import VARIANTS, Design
from components.experiments.metric import Metric
from components.experiments.report import Evidence
from components.experiments.users import Index, Observations, Users, Vector
from components.records.tables import experiment_observations as reports
from components.records.tables import ml_predictions as log
from inference.gateway.experiments.versions import spellings

if TYPE_CHECKING:
    from components.records.database import Database

PRE_DAYS = 28
_CHUNK = 10_000
USER = func.coalesce(func.nullif(log.c.user_pseudonym, ""), log.c.caller)
"""Who was randomised: the user that a request is about, else the caller. Erased answers are nobody's, and left out."""


@dataclass
class Roster:
    """Who was seen in which variant.

    Attributes
    ----------
    place : dict of str to int
        Position of each analysed user.
    variant, entered : list
        By position.
    exposed : list of int
        By variant, before anything was left out.
    left_out : dict of str to int
        By reason.
    """

    place: dict[str, int] = field(default_factory=dict)
    variant: list[int] = field(default_factory=list)
    entered: list[float] = field(default_factory=list)
    exposed: list[int] = field(default_factory=lambda: [0, 0])
    left_out: dict[str, int] = field(default_factory=dict)

    def leave_out(self, why: str, amount: int = 1) -> None:
        """Count what is not analysed."""
        if amount:
            self.left_out[why] = self.left_out.get(why, 0) + amount


def gather(database: Database, design: Design, number: Any, ended: datetime) -> Evidence:
    """Return the evidence.

    Parameters
    ----------
    number : UUID
        The experiment's id.
    ended : datetime
        When assignment ends or ended; what was observed later is not counted, because users may have moved by then.
    """
    with database.read() as connection:
        roster = _roster(connection, design)
        segments = _segments(connection, number, roster)
        found = {}
        for metric in design.metrics:
            source = _from_log if metric.source else _from_reports
            found[metric.name] = source(connection, design, metric, number, roster, ended)
    variant: Index = np.array(roster.variant, dtype=np.int64)
    users = Users(variant, np.array(roster.entered, dtype=np.float64), segments)
    return Evidence(users, found, (roster.exposed[0], roster.exposed[1]), roster.left_out)


def _answered(design: Design) -> Any:
    """Whether a row was answered by its variant's version; what failed has no version, and belongs to its variant."""
    right = [and_(log.c.variant == v, log.c.model_version.in_(spellings(design.versions[v]))) for v in VARIANTS]
    failed = or_(log.c.model_version.is_(None), log.c.model_version == "")
    return or_(*right, failed)


def _roster(connection: Connection, design: Design) -> Roster:
    right = _answered(design)
    query = (
        select(
            USER.label("user"),
            log.c.variant,
            func.min(log.c.created_at).label("first"),
            func.count().label("answers"),
            func.sum(case((right, 1), else_=0)).label("right"),
        )
        .where(log.c.experiment == design.name, log.c.erased_at.is_(None))
        .group_by(USER, log.c.variant)
        .order_by(USER)
    )
    roster, seen = Roster(), dict[str, list[tuple[str, datetime, int, int]]]()
    for user, variant, first, answers, correct in connection.execute(query):
        if user and variant in VARIANTS:
            seen.setdefault(user, []).append((variant, _aware(first), int(answers), int(correct)))
    for user, rows in seen.items():
        _enter(roster, design, user, rows)
    return roster


def _enter(roster: Roster, design: Design, user: str, rows: list[tuple[str, datetime, int, int]]) -> None:
    variant, first, _, _ = rows[0]
    roster.leave_out("misrouted", sum(answers - right for _, _, answers, right in rows))
    if user in design.overrides:
        return roster.leave_out("testers")
    if len(rows) > 1 or design.variant_of(user) != variant:
        return roster.leave_out("users_in_both_variants")
    arm = VARIANTS.index(variant)
    roster.exposed[arm] += 1
    if not sum(right for _, _, _, right in rows):
        return roster.leave_out("users_with_misrouted_answers_only")
    roster.place[user] = len(roster.variant)
    roster.variant.append(arm)
    roster.entered.append(first.timestamp())
    return None


def _from_log(
    connection: Connection, design: Design, metric: Metric, number: Any, roster: Roster, ended: datetime
) -> Observations:
    """Metrics of the answers themselves; errors and hits need the outcome, and come late."""
    value = _value_of(metric.source)
    query = select(USER, value, literal(1.0), log.c.created_at).where(
        log.c.experiment == design.name,
        log.c.erased_at.is_(None),
        _answered(design),
        value.is_not(None),
        log.c.created_at <= ended,
    )
    before = (
        select(USER, func.avg(value))
        .where(
            log.c.model_name == design.model,
            log.c.erased_at.is_(None),
            log.c.created_at < design.start,
            log.c.created_at >= design.start - timedelta(days=PRE_DAYS),
            value.is_not(None),
        )
        .group_by(USER)
    )
    return _observations(connection, query, before, roster)


def _value_of(source: str) -> Any:
    if source == "is_correct":
        return case((log.c.is_correct.is_(None), None), (log.c.is_correct, 1.0), else_=0.0)
    if source == "latency_ms":
        return log.c.latency_ms
    error = func.abs(log.c.prediction_error)
    return error * error if source == "squared_error" else error


def _from_reports(
    connection: Connection, design: Design, metric: Metric, number: Any, roster: Roster, ended: datetime
) -> Observations:
    """Metrics that applications report."""
    own = and_(reports.c.experiment_id == number, reports.c.metric == metric.name)
    query = select(reports.c.user_pseudonym, reports.c.value, reports.c.weight, reports.c.observed_at).where(
        own, reports.c.observed_at <= ended
    )
    before = (
        select(reports.c.user_pseudonym, func.avg(reports.c.pre_period))
        .where(own, reports.c.pre_period.is_not(None))
        .group_by(reports.c.user_pseudonym)
    )
    return _observations(connection, query, before, roster)


def _observations(connection: Connection, query: Select[Any], before: Select[Any], roster: Roster) -> Observations:
    """Read rows; reports about users that saw nothing, or from before they did, are counted and left out."""
    place: list[int] = []
    numbers: list[tuple[float, float, float]] = []
    for user, value, count, at in _rows(connection, query):
        where, moment = roster.place.get(user), _aware(at).timestamp()
        if where is None:
            roster.leave_out("observations_of_users_not_analysed")
        elif moment < roster.entered[where]:
            roster.leave_out("observations_before_exposure")
        else:
            place.append(where)
            numbers.append((float(value), float(count), moment))
    covariate: Vector = np.full(len(roster.place), np.nan)
    for user, mean in _rows(connection, before):
        if user in roster.place and mean is not None:
            covariate[roster.place[user]] = float(mean)
    table = np.array(numbers, dtype=np.float64).reshape(-1, 3)
    return Observations(np.array(place, dtype=np.int64), table[:, 0], table[:, 1], table[:, 2], covariate)


def _segments(connection: Connection, number: Any, roster: Roster) -> Mapping[str, Any]:
    """Return each user's segments, as its first report that names them does."""
    query = (
        select(reports.c.user_pseudonym, reports.c.segments)
        .where(reports.c.experiment_id == number, reports.c.segments.is_not(None))
        .order_by(reports.c.observed_at, reports.c.observation_key)
    )
    found: dict[str, dict[int, str]] = {}
    for user, labels in _rows(connection, query):
        where = roster.place.get(user)
        if where is not None:
            for dimension, name in (labels or {}).items():
                found.setdefault(dimension, {}).setdefault(where, name)
    size = len(roster.place)
    return {
        dimension: np.array([names.get(i, "") for i in range(size)], dtype=np.str_)
        for dimension, names in sorted(found.items())
    }


def _rows(connection: Connection, query: Select[Any]) -> Iterator[Any]:
    yield from connection.execution_options(yield_per=_CHUNK).execute(query)


def _aware(moment: datetime) -> datetime:
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
