"""A/B tests of documents 0 and 1: create, look, plan, report measurements, stop, decide."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from components.errors import InvalidRequest
from components.experiments.design import TRACKS, VARIANTS
from components.experiments.power import plan as plan_power
from components.records.pseudonym import pseudonym
from inference.gateway.caller import Caller, may
from inference.gateway.envelope import Envelope, ok
from inference.gateway.experiments import store
from inference.gateway.experiments.observing import observe
from inference.gateway.experiments.payloads import (
    DecisionRequest,
    ExperimentRequest,
    ObservationBatch,
    PlanRequest,
    StopRequest,
)
from inference.gateway.experiments.results import results
from inference.gateway.experiments.views import Experiment, Report, view
from inference.gateway.json_route import JsonRoute
from inference.gateway.services import services

router = APIRouter(prefix="/api/v1/ml/experiments", tags=["experiments"], route_class=JsonRoute)


Reference = Annotated[
    str, Path(min_length=1, max_length=200, description="Name or UUID.", examples=["recommendation_model_v2"])
]


class ExperimentPage(BaseModel):
    """Experiments, the newest first."""

    experiments: list[Experiment]
    next_cursor: str | None = None


class PlanAnswer(BaseModel):
    """What an experiment costs; see docs/experiments.md."""

    model_config = ConfigDict(extra="allow")

    sequential_users: int = Field(examples=[14700])
    fixed_users: int = Field(examples=[7677])
    expected_users: int = Field(examples=[8369])
    sequential_days: float | None = None
    advice: str


class Taken(BaseModel):
    """What became of a batch of reports."""

    accepted: int = Field(examples=[998])
    duplicates: int = Field(description="Known by their key; nothing was changed", examples=[2])


class UserAssignment(BaseModel):
    """Which variant a user gets now."""

    model_config = ConfigDict(protected_namespaces=())

    experiment_id: str
    user: str = Field(description="The user's pseudonym")
    variant: Literal["control", "treatment"] | None = Field(description="Nothing: the user is not in the experiment")
    model_version: str | None = None
    track: str | None = None


@router.get("", summary="List A/B tests", operation_id="list_experiments")
def list_experiments(
    request: Request,
    limit: Annotated[int, Query(ge=1, le=500)] = 50,
    cursor: Annotated[str, Query(max_length=200)] = "",
    model: Annotated[str, Query(max_length=200)] = "",
    status: Annotated[Literal["", "running", "completed", "stopped"], Query()] = "",
    caller: Caller = may("experiments:read"),
) -> Envelope[ExperimentPage]:
    """The newest first."""
    database = services(request).database
    rows, following = store.page(database, limit=limit, cursor=cursor, model=model, status=status)
    return ok(request, ExperimentPage(experiments=[view(row) for row in rows], next_cursor=following))


@router.post("", status_code=201, summary="Create an A/B test", operation_id="create_experiment")
def create_experiment(
    request: Request, response: Response, body: ExperimentRequest, caller: Caller = may("experiments:write")
) -> Envelope[Experiment]:
    """Takes document 0's configuration or document 1's fields. Users are assigned from the start on; serve the
    treatment beside the control with `arthaflow experiments start`.
    """
    made = store.create(services(request).database, body, caller.pseudonym)
    response.headers["Location"] = f"{router.prefix}/{made['experiment_name']}"
    return ok(request, view(made))


@router.post("/plan", summary="Plan sample size and duration", operation_id="plan_experiment")
def plan_experiment(
    request: Request, body: PlanRequest, caller: Caller = may("experiments:read")
) -> Envelope[PlanAnswer]:
    """With one look at the end, and with the always-valid test that may be looked at any time."""
    try:
        planned = plan_power(**body.arguments())
    except ValueError as error:
        raise InvalidRequest(f"{error}.", "Correct the number.") from error
    return ok(request, PlanAnswer(**planned.to_dict()))


@router.get("/{experiment_id}", summary="Get one A/B test", operation_id="get_experiment")
def get_experiment(
    request: Request, experiment_id: Reference, caller: Caller = may("experiments:read")
) -> Envelope[Experiment]:
    """By its name (document 0's `experiment_id`) or its id."""
    return ok(request, view(store.find(services(request).database, experiment_id)))


@router.get("/{experiment_id}/results", summary="Report of an A/B test", operation_id="get_experiment_results")
def get_results(
    request: Request,
    experiment_id: Reference,
    segments: Annotated[str, Query(max_length=1000, description="Dimensions, by commas; all when left out")] = "",
    caller: Caller = may("experiments:read"),
) -> Envelope[Report]:
    """Sample ratio, always-valid tests (CUPED-adjusted), guardrails, segments, and a verdict with its reason. It may be
    looked at any time without spoiling it.
    """
    database = services(request).database
    wanted = tuple(filter(None, (part.strip() for part in segments.split(","))))
    return ok(request, Report(**results(database, store.find(database, experiment_id), segments=wanted)))


@router.get(
    "/{experiment_id}/assignment", summary="Which variant a user gets", operation_id="get_experiment_assignment"
)
def get_assignment(
    request: Request,
    experiment_id: Reference,
    user: Annotated[str, Query(min_length=1, max_length=200, examples=["u-17"])],
    caller: Caller = may("experiments:read"),
) -> Envelope[UserAssignment]:
    """Looks only: a user counts once it was answered."""
    row = store.find(services(request).database, experiment_id)
    hashed, design, now = pseudonym(user, "user"), store.design_of(row), datetime.now(UTC)
    going = store.status_of(row, now) == "running" and design.runs_at(now)
    variant = design.variant_of(hashed) if going else None
    told: dict[str, Any] = {"experiment_id": design.name, "user": hashed, "variant": variant}
    if variant in VARIANTS:
        told |= {"model_version": design.versions[variant], "track": TRACKS[variant]}
    return ok(request, UserAssignment(**told))


@router.post("/{experiment_id}/observations", summary="Report what users did", operation_id="report_observations")
def post_observations(
    request: Request, experiment_id: Reference, body: ObservationBatch, caller: Caller = may("outcomes:write")
) -> Envelope[Taken]:
    """Metrics that only the application knows, such as clicks; idempotent by `key`."""
    database = services(request).database
    row = store.find(database, experiment_id)
    new, known = observe(database, store.design_of(row), row["id"], body.observations)
    return ok(request, Taken(accepted=new, duplicates=known))


@router.post("/{experiment_id}/stop", summary="Stop an A/B test", operation_id="stop_experiment")
def stop_experiment(
    request: Request,
    experiment_id: Reference,
    body: StopRequest | None = None,
    caller: Caller = may("experiments:write"),
) -> Envelope[Experiment]:
    """Everybody gets the control from now on; what was seen stays."""
    database = services(request).database
    row = store.find(database, experiment_id)
    return ok(request, view(store.stop(database, row, caller.pseudonym, body.reason if body else "")))


@router.post("/{experiment_id}/decision", summary="Decide an A/B test", operation_id="decide_experiment")
def decide_experiment(
    request: Request, experiment_id: Reference, body: DecisionRequest, caller: Caller = may("experiments:write")
) -> Envelope[Experiment]:
    """Records who decided what, when, why and on which numbers. A promotion under a sample ratio mismatch is refused
    unless `force` says so with a reason in `analysis_notes`.
    """
    database = services(request).database
    row = store.find(database, experiment_id)
    report = results(database, row)
    store.allow(body.decision, report, body.force, body.analysis_notes)
    notes = f"{'Forced. ' if body.force else ''}{body.analysis_notes}"
    return ok(request, view(store.record_decision(database, row, caller.pseudonym, body.decision, notes, report)))
