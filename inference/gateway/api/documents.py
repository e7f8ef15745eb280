"""Documents that applications keep, so that a request may name a portfolio, a goal or a strategy by its id alone."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Path, Request
from pydantic import BaseModel, ConfigDict, Field

from components.records.documents import Document, get, put, remove
from components.records.pseudonym import pseudonym
from components.wire import Payload
from inference.gateway.caller import Caller, may
from inference.gateway.envelope import Envelope, ok
from inference.gateway.json_route import JsonRoute
from inference.gateway.product.completion import UnknownDocument, owns
from inference.gateway.product.kept import check_document, example, offers_of, takers
from inference.gateway.product.products import Products
from inference.gateway.services import Services, services

router = APIRouter(prefix="/api/v1/ml/documents", tags=["documents"], route_class=JsonRoute)
KIND, PARTS = example(Products())
AUDIT = "audit:read"
EntityType = Annotated[str, Path(min_length=1, max_length=50, description="As a model names it", examples=[KIND])]
EntityId = Annotated[str, Path(min_length=1, max_length=100, description="The application's own id", examples=["p-17"])]


class DocumentBody(Payload):
    """The document's parts by name, each in the shape in which a request would carry it; a part may be left out."""

    model_config = ConfigDict(extra="allow", json_schema_extra={"examples": [{"user_id": "user-17", **PARTS}]})

    user_id: Annotated[str, Field(max_length=200, description="Whose data it is; hashed before it is kept")] = ""


class KeptDocument(BaseModel):
    """What is kept."""

    entity_type: str
    entity_id: str
    parts: list[str]
    models: Annotated[list[str], Field(description="Whose requests may name it")]
    created_at: datetime
    updated_at: datetime


class WholeDocument(KeptDocument):
    """What is kept, and what it says."""

    document: dict[str, Any]


class DeletedDocument(BaseModel):
    """What became of it."""

    entity_type: str
    entity_id: str
    deleted: Annotated[bool, Field(description="False where there was none")]


@router.put(
    "/{entity_type}/{entity_id}",
    summary="Keep a document",
    response_model=Envelope[KeptDocument],
    operation_id="put_document",
)
def put_document(
    request: Request,
    entity_type: EntityType,
    entity_id: EntityId,
    body: DocumentBody,
    caller: Caller = may("documents:write"),
) -> Any:
    """Keep a portfolio, a goal or a strategy in place of the one that was there, for requests to name by its id.

    It belongs to the caller that put it: nobody else's requests may name it. At most 1 MiB.
    """
    shared = services(request)
    parts = check_document(shared.products, entity_type, body.model_extra or {})
    user = pseudonym(body.user_id, "user", shared.log.config)
    anybodys = caller.tier == "internal"
    found = put(shared.database, entity_type, entity_id, parts, user=user, caller=caller.pseudonym, anybodys=anybodys)
    return ok(request, KeptDocument(**_told(shared, found, entity_id)))


@router.get(
    "/{entity_type}/{entity_id}",
    summary="What is kept",
    response_model=Envelope[WholeDocument],
    operation_id="get_document",
)
def read_document(
    request: Request, entity_type: EntityType, entity_id: EntityId, caller: Caller = may("documents:write")
) -> Any:
    """Return a document of the caller's; anybody's to who may read the audit trail."""
    shared = services(request)
    offers_of(shared.products, entity_type)
    found = get(shared.database, entity_type, entity_id)
    if found is None or not (owns(found, caller) or AUDIT in caller.scopes):
        raise UnknownDocument(
            f"No {entity_type} {entity_id!r:.100} of yours is kept.", "PUT it here; somebody else's is not shown."
        )
    return ok(request, WholeDocument(**_told(shared, found, entity_id), document=found.parts))


@router.delete(
    "/{entity_type}/{entity_id}",
    summary="Delete a document",
    response_model=Envelope[DeletedDocument],
    operation_id="delete_document",
)
def delete_document(
    request: Request, entity_type: EntityType, entity_id: EntityId, caller: Caller = may("documents:write")
) -> Any:
    """Delete a document of the caller's. Predictions that were made of it keep what they were made of."""
    shared = services(request)
    offers_of(shared.products, entity_type)
    found = get(shared.database, entity_type, entity_id)
    deleted = False
    if found is not None and owns(found, caller):
        # Meanwhile its owner may have deleted it, and somebody else put one under the id: that one stays.
        deleted = remove(shared.database, entity_type, entity_id, found.caller)
    return ok(request, DeletedDocument(entity_type=entity_type, entity_id=entity_id, deleted=deleted))


def _told(shared: Services, found: Document, entity_id: str) -> dict[str, Any]:
    return {
        "entity_type": found.entity_type,
        "entity_id": entity_id,
        "parts": sorted(found.parts),
        "models": takers(shared.products, found.entity_type, found.parts),
        "created_at": found.created_at,
        "updated_at": found.updated_at,
    }
