"""What really happened: applications report it, and it joins the prediction it is about."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path, Request
from pydantic import BaseModel, ConfigDict, Field

from components.errors import ArthaflowError
from components.records.outcomes import LARGEST, Outcome, Status, history, report
from components.wire import Moment, Payload
from inference.gateway.caller import Caller, may
from inference.gateway.envelope import Envelope, ok
from inference.gateway.json_route import JsonRoute
from inference.gateway.management.views import stamp
from inference.gateway.services import services

router = APIRouter(tags=["outcomes"], route_class=JsonRoute)
MOST = 1000

Number = Annotated[float, Field(gt=-LARGEST, lt=LARGEST)]
EXAMPLE: dict[str, Any] = {
    "prediction_id": "0d6f5c0e-4b0f-4f0e-9d0b-0a6c2f6f3d11",
    "actual_value": 3481.35,
    "reference_value": 3456.5,
    "observed_at": "2025-11-14T10:00:00Z",
    "source": "nse-eod",
}


class UnknownOutcome(ArthaflowError):
    """Nothing was reported for the prediction."""

    status = 404


class OutcomeRow(Payload):
    """One outcome: a value, a class, or both."""

    model_config = ConfigDict(json_schema_extra={"examples": [EXAMPLE]})

    prediction_id: Annotated[str, Field(min_length=1, max_length=100, description="From the prediction's metadata")]
    actual_value: Annotated[Number | None, Field(description="In the unit of the predicted value")] = None
    actual_class: Annotated[str | None, Field(min_length=1, max_length=50)] = None
    reference_value: Annotated[Number | None, Field(description="What the prediction started from: today's price")] = (
        None
    )
    observed_at: Annotated[Moment | None, Field(description="When it was so; now when absent")] = None
    source: Annotated[str, Field(min_length=1, max_length=100)] = "api"


class OutcomeReport(Payload):
    """Outcomes of up to 1,000 predictions."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"outcomes": [EXAMPLE]}]})

    outcomes: Annotated[list[OutcomeRow], Field(min_length=1, max_length=MOST)]


class RowStatus(BaseModel):
    """What became of one row; the same row can be reported again."""

    prediction_id: str
    status: Status
    message: str = ""


class ReportResult(BaseModel):
    """What became of the report."""

    counts: Annotated[dict[str, int], Field(examples=[{"joined": 1}])]
    results: list[RowStatus]


class ReportedOutcome(BaseModel):
    """One outcome as it was reported."""

    revision: int
    status: Literal["joined", "orphan", "superseded"]
    actual_value: float | None
    actual_class: str | None
    reference_value: float | None
    observed_at: str
    reported_at: str
    source: str


class OutcomeHistory(BaseModel):
    """Everything that was reported for one prediction, oldest first; the last one holds."""

    prediction_id: str
    outcomes: list[ReportedOutcome]


@router.post(
    "/api/v1/ml/outcomes",
    summary="Report what really happened",
    response_model=Envelope[ReportResult],
    operation_id="report_outcomes",
)
def report_outcomes(request: Request, body: OutcomeReport, caller: Caller = may("outcomes:write")) -> Any:
    """Join actual values with their predictions; late, repeated and corrected ones are welcome.

    Outcomes of predictions that are not known yet are kept as ``orphan`` and join when those arrive.
    """
    rows = [
        Outcome(r.prediction_id, r.actual_value, r.actual_class, r.observed_at, r.source, r.reference_value)
        for r in body.outcomes
    ]
    results = report(services(request).database, rows, caller.pseudonym)
    counts: dict[str, int] = {}
    for result in results:
        counts[result.status] = counts.get(result.status, 0) + 1
    return ok(request, ReportResult(counts=counts, results=[RowStatus(**vars(result)) for result in results]))


@router.get(
    "/api/v1/ml/outcomes/{prediction_id}",
    summary="What was reported for a prediction",
    response_model=Envelope[OutcomeHistory],
    operation_id="get_outcomes",
)
def read_outcomes(
    request: Request,
    prediction_id: Annotated[str, Path(min_length=1, max_length=100, examples=[EXAMPLE["prediction_id"]])],
    caller: Caller = may("outcomes:write"),
) -> Any:
    """Return every outcome of a prediction with its history."""
    with services(request).database.read() as connection:
        rows = history(connection, prediction_id)
    if not rows:
        raise UnknownOutcome(
            f"No outcome of the prediction {prediction_id!r} was reported.", "Report it to POST /api/v1/ml/outcomes."
        )
    return ok(request, OutcomeHistory(prediction_id=prediction_id, outcomes=[_told(row) for row in rows]))


def _told(row: dict[str, Any]) -> ReportedOutcome:
    names = ("revision", "status", "actual_value", "actual_class", "reference_value", "source")
    return ReportedOutcome(
        **{name: row[name] for name in names},
        observed_at=stamp(row["observed_at"]) or "",
        reported_at=stamp(row["created_at"]) or "",
    )
