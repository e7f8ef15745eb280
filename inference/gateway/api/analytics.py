"""Document 1's analytics endpoints: usage and costs."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Annotated

from fastapi import APIRouter, Query, Request

from components.errors import InvalidRequest
from components.wire import Day
from inference.gateway.caller import Caller, may
from inference.gateway.envelope import Envelope, ok
from inference.gateway.observed.costs import Costs, costs
from inference.gateway.observed.usage import Usage, usage
from inference.gateway.services import services

router = APIRouter(prefix="/api/v1/ml/analytics", tags=["analytics"])
MOST_DAYS = 92
DEFAULT_DAYS = 7
Begin = Annotated[Day | None, Query(description="first day, UTC; a week back where it is left out")]
End = Annotated[Day | None, Query(description="last day, UTC, included; today where it is left out")]


@router.get("/usage", summary="Model usage analytics", response_model=Envelope[Usage], operation_id="analyse_usage")
def model_usage(
    request: Request,
    begin: Begin = None,
    end: End = None,
    model: Annotated[str, Query(max_length=100)] = "",
    caller: Caller = may("monitoring:read"),
) -> Envelope[Usage]:
    """Tell requests and distinct callers by day, model, route and role; never of fewer than five callers."""
    first, last = days(begin, end)
    with services(request).database.read() as connection:
        return ok(request, usage(connection, first, last, model))


@router.get("/costs", summary="ML infrastructure costs", response_model=Envelope[Costs], operation_id="analyse_costs")
def model_costs(
    request: Request, begin: Begin = None, end: End = None, caller: Caller = may("monitoring:read")
) -> Envelope[Costs]:
    """Tell what predicting and training cost by model: measured time at configured prices, and what is left out."""
    shared = services(request)
    first, last = days(begin, end)
    with shared.database.read() as connection:
        return ok(request, costs(connection, first, last, shared.config))


def days(begin: date | None, end: date | None, today: date | None = None) -> tuple[date, date]:
    """Return the first and the last day that are asked about.

    Raises
    ------
    InvalidRequest
        If they are reversed, or too far apart.
    """
    last = end or today or datetime.now(UTC).date()
    first = begin or last - timedelta(days=DEFAULT_DAYS - 1)
    if first > last:
        raise InvalidRequest(f"{first} is after {last}.", "Give begin and end in this order.", path="begin")
    if (last - first).days >= MOST_DAYS:
        raise InvalidRequest(
            f"{first} to {last} are {(last - first).days + 1} days.", f"Ask for {MOST_DAYS} at most.", path="begin"
        )
    return first, last
