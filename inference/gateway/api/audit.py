"""The audit trail: which version served when and why, one prediction's story, verification, export and erasure.

The door asks for an allowed address before any of these routes.
"""

from __future__ import annotations

import io
from dataclasses import asdict
from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field
from starlette.concurrency import run_in_threadpool

from components.errors import ArthaflowError, InvalidRequest
from components.records import anchors, chain
from components.records.deployments import served_on
from components.records.erasure import erase
from components.records.export import export, rows_about
from components.records.keys import audit_key
from components.records.pseudonym import pseudonym
from components.records.story import parse_when, story
from components.records.verification import verify
from components.wire import Payload
from inference.gateway.caller import Caller, may
from inference.gateway.envelope import Envelope, ok
from inference.gateway.json_route import JsonRoute
from inference.gateway.services import services

router = APIRouter(prefix="/api/v1/ml/audit", tags=["audit"], route_class=JsonRoute)
MOST_ENTRIES = 100_000
"""That one request verifies; `arthaflow audit verify` walks the whole chain."""
DEFAULT_ENTRIES = 10_000
MOST_ROWS = 50_000
"""Of one table that one request exports."""
Name = Annotated[
    str, Query(min_length=1, max_length=200, description="name in the catalogue", examples=["price_forecast"])
]
PredictionId = Annotated[str, Path(min_length=1, max_length=100, examples=["0d6f5c0e-4b0f-4f0e-9d0b-0a6c2f6f3d11"])]
When = Annotated[str, Query(max_length=40, description="a date (UTC) or a moment with its zone; today when left out")]
Number = Annotated[int | None, Query(ge=1, le=2**62)]


class ExportTooLarge(ArthaflowError):
    """A person's data is more than one answer may hold."""

    status = 409


class Served(BaseModel):
    """One version that served, and why."""

    model: str
    version: str = Field(examples=["2"])
    environment: str
    track: str = Field(examples=["stable"])
    since: datetime | None
    until: datetime | None
    end_reason: str
    actor: str
    reason: str = Field(examples=["0.4 % errors and p95 31 ms in 1,200 requests: as good as version 1"])
    history_key: str
    gate: str = Field(examples=["RMSE 4.1 % below the baseline's, p = 0.003"])
    predictions: int = Field(description="answers that the prediction log has from it on that day")
    first_at: datetime | None
    last_at: datetime | None


class ServedVersions(BaseModel):
    """Which versions of a model served."""

    model: str
    at: str
    versions: list[Served]


class Story(BaseModel):
    """Everything about one prediction."""

    prediction: dict[str, Any]
    audit: dict[str, Any] = Field(examples=[{"seq": 1204, "hash": "9f2c…", "sound": True, "erased": False}])
    served: list[Served]
    outcomes: list[dict[str, Any]]
    explain: str


class Verification(BaseModel):
    """What walking the chain found."""

    ok: bool
    first: int
    last: int
    head: str
    entries: int
    predictions: int
    erased: int
    anchors: int
    bad_seq: int | None = Field(None, description="the first entry that is not as it was written")
    problem: str = Field("", description="what is wrong with it")
    notes: list[str]


class ExportRequest(Payload):
    """Whose data."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"user_id": "user-17"}]})

    user_id: str = Field(min_length=1, max_length=200)


class ErasureRequest(ExportRequest):
    """Whose data goes, and why."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"user_id": "user-17", "reason": "request of 3 May"}]})

    reason: str = Field(min_length=1, max_length=500, description="nothing personal")


class ErasureReport(BaseModel):
    """What was erased."""

    at: datetime
    predictions: int
    outcomes: int
    experiment_assignments: int
    experiment_observations: int
    feature_values: int
    documents: int
    requests: int
    quarantined: int
    chain_seq: int = Field(description="the chain's entry that says so")
    cached: int = Field(description="answers that this gateway's cache forgot")
    notes: list[str]


@router.get(
    "/served",
    summary="Which version served when, and why",
    response_model=Envelope[ServedVersions],
    operation_id="audit_served_versions",
)
def served(
    request: Request, model: Name, at: When = "", caller: Caller = may("audit:read")
) -> Envelope[ServedVersions]:
    """Tell which versions of a model were deployed, or answered, on a date or at a moment, and why."""
    when = parse_when(at)
    found = served_on(services(request).database, model, when)
    versions = [Served.model_validate(asdict(each)) for each in found]
    return ok(request, ServedVersions(model=model, at=when.isoformat(), versions=versions))


@router.get(
    "/predictions/{prediction_id}",
    summary="One prediction's story",
    response_model=Envelope[Story],
    operation_id="audit_prediction",
)
def prediction(request: Request, prediction_id: PredictionId, caller: Caller = may("audit:read")) -> Envelope[Story]:
    """Tell what was asked and answered, by which version, why that version served, and what came of it."""
    shared = services(request)
    return ok(request, Story.model_validate(story(shared.database, audit_key(shared.log.config), prediction_id)))


@router.get(
    "/verify", summary="Verify the prediction log", response_model=Envelope[Verification], operation_id="audit_verify"
)
def verification(
    request: Request, first: Number = None, last: Number = None, caller: Caller = may("audit:read")
) -> Envelope[Verification]:
    """Walk a range of the hash chain, at most 100,000 entries; the newest 10,000 when nothing is said."""
    shared = services(request)
    with shared.database.read() as connection:
        top = chain.head(connection).seq
    last = min(last or top, top)
    first = first or max(last - DEFAULT_ENTRIES + 1, 1)
    if last - first >= MOST_ENTRIES:
        raise InvalidRequest(
            f"{first} to {last} are {last - first + 1} entries.",
            f"Ask for {MOST_ENTRIES} at most, or run: arthaflow audit verify",
            "first",
        )
    config = shared.log.config
    known = [head for _, head in anchors.kept(config) if head.seq >= first]
    span = (first, last) if top else (None, None)
    verdict = verify(shared.database, audit_key(config), known, *span)
    return ok(request, Verification.model_validate(asdict(verdict)))


@router.post(
    "/export",
    summary="Export one person's data",
    response_class=Response,
    responses={200: {"content": {"application/zip": {}}, "description": "JSON and CSV of every table"}},
    operation_id="audit_export",
)
def export_person(request: Request, body: ExportRequest, caller: Caller = may("audit:read")) -> Response:
    """Return everything that the records hold about one person: a zip of JSON and CSV, one of each per table."""
    shared, memory = services(request), io.BytesIO()
    config = shared.log.config
    if rows_about(shared.database, body.user_id, MOST_ROWS, config) > MOST_ROWS:
        raise ExportTooLarge(
            f"A table holds more than {MOST_ROWS} rows about this person, and this answer is made in memory.",
            "Run where the records are: arthaflow audit export",
        )
    export(shared.database, body.user_id, memory, shared.log.config)
    told = {"content-disposition": 'attachment; filename="export.zip"', "cache-control": "no-store"}
    return Response(memory.getvalue(), media_type="application/zip", headers=told)


@router.post(
    "/erasure", summary="Erase one person's data", response_model=Envelope[ErasureReport], operation_id="audit_erase"
)
async def erase_person(
    request: Request, body: ErasureRequest, caller: Caller = may("audit:erase")
) -> Envelope[ErasureReport]:
    """Erase one person's data everywhere: tables, journals, cache. The hash chain stays valid, and says why."""
    shared = services(request)
    log = shared.log
    report = await run_in_threadpool(
        lambda: erase(shared.database, body.user_id, body.reason, log.config, journals=log.folder)
    )
    cached = await shared.cache.forget_where(tag=pseudonym(body.user_id, "user", log.config))
    return ok(request, ErasureReport.model_validate({**report.told(), "cached": cached}))
