"""Who uses what, how much: by day, model, route and role, and never of fewer than five callers.

A group of fewer than :data:`K` callers is merged with the other small groups of its day. Where even those together are
fewer, they are left out, of the totals too, so that nobody's use can be worked out by subtraction.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta

from pydantic import BaseModel, Field
from sqlalchemy import Connection, case, func, select

from components.errors import InvalidRequest
from components.records.tables import model_serving_logs

K = 5
MOST_ROWS = 200_000
"""Most combinations of a caller and a group that one day is read for."""

OTHER = "(others)"
Key = tuple[str, str, str]


class UsageGroup(BaseModel):
    """The use of one route for one model by one role on one day."""

    day: date = Field(examples=["2025-11-13"])
    model: str = Field(description="empty for routes that ask no model", examples=["price_forecast"])
    route: str = Field(examples=["/api/v1/ml/predict/price"])
    role: str = Field(examples=["app"])
    requests: int = Field(examples=[1204])
    failed: int = Field(description="answered with 4xx or 5xx", examples=[3])
    callers: int = Field(description="distinct, by pseudonym", examples=[17])


class Usage(BaseModel):
    """The use of the API over some days."""

    begin: date
    end: date
    requests: int = Field(examples=[20411])
    callers: int = Field(description="distinct over all days; at least 5, or 0", examples=[212])
    groups: list[UsageGroup]
    suppressed: bool = Field(description="whether some use is left out because too few callers had it")
    smallest_group: int = K


@dataclass
class _Group:
    requests: int = 0
    failed: int = 0
    callers: set[str] = field(default_factory=set)

    def add(self, other: _Group) -> None:
        self.requests += other.requests
        self.failed += other.failed
        self.callers |= other.callers


def usage(connection: Connection, begin: date, end: date, model: str = "") -> Usage:
    """Return the use of the days from ``begin`` to ``end``, both included.

    Raises
    ------
    InvalidRequest
        If one day holds more than can be read at once.
    """
    shown: list[UsageGroup] = []
    callers: set[str] = set()
    suppressed = False
    for number in range((end - begin).days + 1):
        day = begin + timedelta(days=number)
        for key, group in _anonymous(_groups(connection, day, model)).items():
            if len(group.callers) < K:
                suppressed = True
                continue
            callers |= group.callers
            shown.append(_shown(day, key, group))
    total = sum(group.requests for group in shown)
    return Usage(begin=begin, end=end, requests=total, callers=len(callers), groups=shown, suppressed=suppressed)


def _shown(day: date, key: Key, group: _Group) -> UsageGroup:
    told = {"requests": group.requests, "failed": group.failed, "callers": len(group.callers)}
    return UsageGroup(day=day, model=key[0], route=key[1], role=key[2], **told)


def _anonymous(groups: dict[Key, _Group]) -> dict[Key, _Group]:
    others = _Group()
    kept: dict[Key, _Group] = {}
    for key, group in sorted(groups.items()):
        if len(group.callers) >= K:
            kept[key] = group
        else:
            others.add(group)
    if others.requests:
        kept[OTHER, OTHER, OTHER] = others
    return kept


def _groups(connection: Connection, day: date, model: str) -> dict[Key, _Group]:
    s = model_serving_logs.c
    begin = datetime.fromisoformat(f"{day.isoformat()}T00:00:00+00:00")
    failed = case((s.status >= 400, 1), else_=0)
    query = (
        select(s.model_name, s.api_endpoint, s.role, s.caller, func.count(), func.sum(failed))
        .where(s.timestamp >= begin, s.timestamp < begin + timedelta(days=1))
        .group_by(s.model_name, s.api_endpoint, s.role, s.caller)
        .limit(MOST_ROWS + 1)
    )
    rows = connection.execute(query.where(s.model_name == model) if model else query).all()
    if len(rows) > MOST_ROWS:
        raise InvalidRequest(
            f"{day} has more than {MOST_ROWS} pairs of caller and route.", "Ask for one model.", path="model"
        )
    found: defaultdict[Key, _Group] = defaultdict(_Group)
    for name, route, role, caller, count, bad in rows:
        group = found[name or "", route or "", role or ""]
        group.requests += count
        group.failed += int(bad or 0)
        if caller:
            group.callers.add(caller)
    return dict(found)
