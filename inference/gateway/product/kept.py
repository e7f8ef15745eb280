"""What a document that applications keep may hold: the parts that any model asks for, each in that model's shape.

Models that share a kind of document need not ask for the same of it: one wants a holding's price, another its sector.
So a document may hold what any of them knows, and each is given what it knows itself.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

import orjson
from pydantic import BaseModel, ValidationError

from components.errors import ArthaflowError
from inference.gateway.product.products import InvalidPayload, Offer, Products

Place = tuple[int | str, ...]
LARGEST = 2**20
"""Bytes of a document's JSON."""


class NotKept(ArthaflowError):
    """No model takes documents of this kind."""

    status = 404
    code = "UNKNOWN_DOCUMENT_TYPE"


class DocumentTooLarge(ArthaflowError):
    """A document is more than is kept."""

    status = 413
    code = "DOCUMENT_TOO_LARGE"


def offers_of(products: Products, entity_type: str) -> Sequence[Offer]:
    """Return the models that take documents of a kind.

    Raises
    ------
    NotKept
        With the kinds that there are.
    """
    found = products.by_kept.get(entity_type)
    if not found:
        known = ", ".join(sorted(products.by_kept))
        raise NotKept(
            f"No model takes documents of the type {entity_type!r:.80}.",
            f"Use one of: {known}." if known else "Send what a request needs with the request.",
        )
    return found


@dataclass(frozen=True)
class Fit:
    """A document's part as one model takes it.

    Attributes
    ----------
    value
        Without what the model does not know.
    strange : frozenset of tuple
        Places of what it does not know.
    errors : list of mapping
        What it refuses of the rest, as pydantic tells it; empty where it takes it.
    """

    value: Any
    strange: frozenset[Place]
    errors: list[Mapping[str, Any]]


def fit(shape: type[BaseModel], part: str, value: Any) -> Fit:
    """Return a document's part as one model takes it.

    Parameters
    ----------
    shape : type of BaseModel
        The model's, see :class:`~components.models.product.Kept`.
    """
    errors = _errors(shape, part, value)
    strange = frozenset(tuple(e["loc"]) for e in errors if e["type"] == "extra_forbidden")
    if not strange:
        return Fit(value, strange, errors)
    whole = deepcopy({part: value})
    for place in strange:
        _drop(whole, place)
    return Fit(whole[part], strange, _errors(shape, part, whole[part]))


def check_document(products: Products, entity_type: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the parts of a document, as they are kept.

    Parameters
    ----------
    given : mapping
        Parts by name; one that is null is left out.

    Raises
    ------
    NotKept, DocumentTooLarge
    InvalidPayload
        If it holds nothing, something that no model knows, or a part that every model would refuse.
    """
    offers = offers_of(products, entity_type)
    parts = {name: value for name, value in given.items() if value is not None}
    known = sorted({name for offer in offers for name in shape_of(offer).model_fields})
    strange = next((name for name in parts if name not in known), "")
    if strange or not parts:
        what = f"{strange!r:.80} is no part" if strange else "there is no part"
        raise InvalidPayload(
            f"{what} of a {entity_type} that any model here knows", f"Send some of {', '.join(known)}.", path=strange
        )
    size = _size(parts)
    if size > LARGEST:
        raise DocumentTooLarge(f"The document has {size} bytes, more than {LARGEST}.", "Keep less of it.")
    for part, value in parts.items():
        _check_part(part, value, [offer for offer in offers if part in shape_of(offer).model_fields])
    return parts


def takers(products: Products, entity_type: str, parts: Mapping[str, Any]) -> list[str]:
    """Return the models whose requests may name a document: those that refuse none of what they know of it."""
    found = []
    for offer in offers_of(products, entity_type):
        shape = shape_of(offer)
        own = [part for part in parts if part in shape.model_fields]
        if own and not any(fit(shape, part, parts[part]).errors for part in own):
            found.append(offer.name)
    return sorted(found)


def example(products: Products) -> tuple[str, dict[str, Any]]:
    """Return a kind of document and one that the models take, from the examples of their own requests."""
    for entity_type, offers in sorted(products.by_kept.items()):
        known = {name for offer in offers for name in shape_of(offer).model_fields}
        for offer in offers:
            extra = offer.product.request.model_config.get("json_schema_extra")
            examples = extra.get("examples") if isinstance(extra, dict) else None
            for asked in examples if isinstance(examples, list) else ():
                parts = {n: v for n, v in asked.items() if n in known} if isinstance(asked, dict) else {}
                if parts:
                    return entity_type, parts
    return "portfolio", {"holdings": [{"security_id": "AAPL", "quantity": 10}]}


def shape_of(offer: Offer) -> type[BaseModel]:
    """Return what a model asks of the documents that its requests may name."""
    assert offer.product.kept is not None
    return offer.product.kept.shape


def _size(parts: Mapping[str, Any]) -> int:
    """Return the bytes of a document's JSON; reading JSON allows deeper nesting than writing it does."""
    try:
        return len(orjson.dumps(parts))
    except orjson.JSONEncodeError as error:
        remedy = "Send the parts as a request would carry them: none is deeper than a few levels."
        raise InvalidPayload("the document is nested too deeply", remedy) from error


def _check_part(part: str, value: Any, offers: Sequence[Offer]) -> None:
    fits = [fit(shape_of(offer), part, value) for offer in offers]
    taken = [found for found in fits if not found.errors]
    if not taken:
        raise refused(fits[0].errors, f"Send it as the model {offers[0].name!r} takes it: see /docs.")
    strange = sorted(frozenset.intersection(*(found.strange for found in taken)), key=str)
    if strange:
        nobody = {"loc": strange[0], "msg": "No model here knows this", "type": "extra_forbidden"}
        raise refused([nobody], "Leave it out, or correct its name.")


def _errors(shape: type[BaseModel], part: str, value: Any) -> list[Mapping[str, Any]]:
    """Return what is wrong with one part; the others, and what holds between them, may come with a request."""
    try:
        shape.model_validate({part: value})
    except ValidationError as error:
        found = error.errors(include_url=False, include_context=False, include_input=False)
        return [dict(e) for e in found if e["loc"][:1] == (part,)]
    return []


def _drop(whole: dict[str, Any], place: Place) -> None:
    """Take one key out of a document; a place also names the arms of unions, which are no keys."""
    found: Any = whole
    for step in place[:-1]:
        there = isinstance(step, int) if isinstance(found, list) else isinstance(found, dict) and step in found
        found = found[step] if there else found
    if isinstance(found, dict):
        found.pop(place[-1], None)


def refused(errors: Sequence[Mapping[str, Any]], remedy: str) -> InvalidPayload:
    """Return what pydantic found wrong with a document, without repeating values: they are somebody's."""
    found = [{"field": ".".join(map(str, e["loc"])), "problem": e["msg"], "type": e["type"]} for e in errors]
    told = InvalidPayload(found[0]["problem"], remedy, path=found[0]["field"])
    told.problem = f"{found[0]['field']}: {found[0]['problem']}."
    told.details["errors"] = found
    return told
