"""Completes a request that names a kept document with what it leaves out."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from pydantic import BaseModel
from starlette.concurrency import run_in_threadpool

from components.errors import ArthaflowError
from components.models.product import Kept
from components.records.database import Database
from components.records.documents import Document, get
from components.records.pseudonym import pseudonym
from inference.gateway.caller import Caller
from inference.gateway.product.kept import fit
from inference.gateway.product.products import InvalidPayload, Offer


class UnknownDocument(ArthaflowError):
    """No document of the caller's is kept under an id."""

    status = 404
    code = "DOCUMENT_NOT_FOUND"


@dataclass(frozen=True, slots=True)
class Completed:
    """A request with nothing left out that is kept.

    Attributes
    ----------
    request : BaseModel
    user : str
        Pseudonym of the person whose data was added; empty for nobody.
    source : dict
        What was added, for the prediction log; empty for nothing.
    """

    request: BaseModel
    user: str = ""
    source: dict[str, Any] = field(default_factory=dict)


class Completion:
    """Looks up the documents that requests name.

    Parameters
    ----------
    database : Database
        The product's records.
    """

    def __init__(self, database: Database) -> None:
        self.database = database

    async def complete(self, offer: Offer, request: BaseModel, caller: Caller) -> Completed:
        """Return a request with the parts of the document that it names in place of those that it leaves out.

        Nothing is read where the request carries every part, or names no document. Where none is kept, the request
        stands as it is, if it carries all that the model needs: an id may be nothing but a name.

        Raises
        ------
        UnknownDocument
            If none of the caller's is kept under the id, and the request carries too little without it.
        InvalidPayload
            If the document is none that this model takes.
        """
        kept = offer.product.kept
        name = str(getattr(request, kept.id_field) or "") if kept is not None else ""
        lacking = _lacking(kept, request) if kept is not None else []
        if kept is None or not name or not lacking:
            return Completed(request)
        found = await run_in_threadpool(get, self.database, kept.entity_type, name)
        if found is None or not owns(found, caller):
            if _enough(kept, lacking):
                return Completed(request)
            raise _unknown(kept, name, lacking)
        parts = {p: fit(kept.shape, p, found.parts[p]).value for p in lacking if found.parts.get(p) is not None}
        completed = _join(offer, request, parts, found)
        named = offer.product.subject(completed).user_id
        if named and found.user and pseudonym(named, "user") != found.user:
            raise _unknown(kept, name, lacking)
        source = {"entity_type": found.entity_type, "entity_id": name, "updated_at": found.updated_at.isoformat()}
        return Completed(completed, found.user, {**source, "parts": sorted(parts)})


def owns(document: Document, caller: Caller) -> bool:
    """Return whether a caller may use a document: it put it, or is one of our own services."""
    return document.caller == caller.pseudonym or caller.tier == "internal"


def _lacking(kept: Kept, request: BaseModel) -> list[str]:
    return [part for part in kept.shape.model_fields if getattr(request, part) is None]


def _enough(kept: Kept, lacking: list[str]) -> bool:
    """Return whether a request says enough by itself: every part that is needed, and any at all."""
    fields = kept.shape.model_fields
    return len(lacking) < len(fields) and not any(fields[part].is_required() for part in lacking)


def _join(offer: Offer, request: BaseModel, parts: dict[str, Any], found: Document) -> BaseModel:
    try:
        return offer.read({**request.model_dump(mode="json", exclude_unset=True), **parts})
    except InvalidPayload as error:
        error.remedy = (
            f"The {found.entity_type} that is kept is none that this model takes: put it anew as {offer.name!r} does, "
            "or send these parts with the request."
        )
        raise


def _unknown(kept: Kept, name: str, lacking: list[str]) -> UnknownDocument:
    what = " and ".join(lacking)
    return UnknownDocument(
        f"No {kept.entity_type} {name!r:.100} of yours is kept, and the request carries no {what}.",
        f"PUT it to /api/v1/ml/documents/{kept.entity_type}/<{kept.id_field}>, or send {what} with the request.",
    )
