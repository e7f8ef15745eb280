"""Document 3's ``POST /admin/deploy``. The door asks for an allowed address before any admin route."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from components.catalog import get_spec
from inference.gateway.caller import Caller, may
from inference.gateway.envelope import Envelope
from inference.gateway.json_route import JsonRoute
from inference.gateway.management.deploying import deployment
from inference.gateway.management.model_rows import check_environment, choose, versions_of
from inference.gateway.management.payloads import AdminDeployRequest
from inference.gateway.management.tickets import IdempotencyKey, Ticket, accept
from inference.gateway.services import services

router = APIRouter(prefix="/admin", tags=["admin"], route_class=JsonRoute)


@router.post(
    "/deploy", summary="Deploy a version", status_code=202, response_model=Envelope[Ticket], operation_id="admin_deploy"
)
def deploy(
    request: Request,
    response: Response,
    body: AdminDeployRequest,
    key: IdempotencyKey = "",
    caller: Caller = may("models:deploy"),
) -> Envelope[Ticket]:
    """Deploy a version, as `PUT /api/v1/ml/models/{id}/deploy` does, by the platform's own plan.

    Versions are the registry's whole numbers: `2` and `v2` are the same, `candidate` is what training registered last;
    `v1.2.0` is refused, because no such version exists.
    """
    check_environment(body.environment)
    name = get_spec(body.model_name).name
    with services(request).database.read() as connection:
        rows = versions_of(connection, name)
    row = choose(rows, name, body.version)
    return accept(request, response, deployment(caller, row, body.environment, {}), key)
