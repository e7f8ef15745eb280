"""Requests are taken literally."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

import pytest
from pydantic import Field, ValidationError

from components.wire import Day, Moment, Payload, parse_day, parse_moment


class Inner(Payload):
    count: int = 1


class Sample(Payload):
    number: float = 0.0
    flag: bool = False
    at: Moment | None = None
    day: Day | None = None
    inner: Inner = Inner()
    several: list[Inner] = Field(default_factory=list)


@pytest.mark.parametrize(
    ("payload", "field"),
    [
        ({"number": "1.5"}, "number"),
        ({"number": True}, "number"),
        ({"number": float("nan")}, "number"),
        ({"number": float("inf")}, "number"),
        ({"flag": 1}, "flag"),
        ({"flag": "yes"}, "flag"),
        ({"at": 0}, "at"),
        ({"at": "0"}, "at"),
        ({"at": "2025-11-13"}, "at"),
        ({"at": "2025-11-13T10:30:00"}, "at"),
        ({"at": "0001-01-01T00:00:00+14:00"}, "at"),
        ({"at": "9999-12-31T23:59:59-14:00"}, "at"),
        ({"at": "2025-02-30T10:30:00Z"}, "at"),
        ({"day": 0}, "day"),
        ({"day": "2025-11-13T00:00:00Z"}, "day"),
        ({"day": "0001-01-01"}, "day"),
        ({"inner": {"count": "2"}}, "inner"),
        ({"several": [{"count": False}]}, "several"),
        ({"unknown": 1}, "unknown"),
    ],
)
def test_nothing_is_taken_for_something_else(payload: dict[str, Any], field: str) -> None:
    with pytest.raises(ValidationError) as told:
        Sample.model_validate(payload)
    assert {error["loc"][0] for error in told.value.errors()} == {field}


def test_what_is_documented_is_taken() -> None:
    found = Sample.model_validate(
        {"number": 2, "at": "2025-11-13t16:00:00.25+05:30", "day": "2016-12-30", "inner": {"count": 2}}
    )
    assert found.at == datetime(2025, 11, 13, 10, 30, 0, 250_000, UTC)
    assert found.day == date(2016, 12, 30)
    assert found.number == 2.0
    assert found.inner.count == 2
    assert Sample.model_validate(found.model_dump(mode="json")) == found


def test_the_document_names_the_formats() -> None:
    fields = Sample.model_json_schema()["properties"]
    assert fields["at"]["anyOf"][0] == {"type": "string", "format": "date-time"}
    assert fields["day"]["anyOf"][0] == {"type": "string", "format": "date"}


def test_python_values_are_taken_as_they_are() -> None:
    moment = datetime(2025, 11, 13, tzinfo=UTC)
    assert parse_moment(moment) == moment
    assert parse_day(date(2025, 11, 13)) == date(2025, 11, 13)
    with pytest.raises(ValueError, match="zone"):
        parse_moment(datetime(2025, 11, 13))
    with pytest.raises(ValueError, match="date"):
        parse_day(moment)
