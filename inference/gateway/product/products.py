"""Products: which model answers which route, found in the catalogue like everything else."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy.typing as npt
from pydantic import BaseModel, ValidationError

from components.catalog import catalogue, get_product
from components.errors import ConfigurationError, InvalidRequest, UnknownModel
from components.models.product import Kept, ProductSpec
from components.models.spec import ModelSpec


class InvalidPayload(InvalidRequest):
    """A request does not have the shape of its document."""

    status = 422
    code = "INVALID_REQUEST"


@dataclass(frozen=True)
class Offer:
    """One model, as applications ask it."""

    spec: ModelSpec
    product: ProductSpec

    @property
    def name(self) -> str:
        """The model."""
        return self.spec.name

    def read(self, payload: Any, strict: bool | None = None) -> BaseModel:
        """Return a checked request.

        Parameters
        ----------
        payload : object
            JSON, or a request that was checked before.
        strict : bool or None
            False for a query string's texts, which numbers are read from.

        Raises
        ------
        InvalidPayload
            With every field that is wrong, and the fields that are missing.
        """
        try:
            return self.product.request.model_validate(payload, strict=strict)
        except ValidationError as error:
            raise invalid(error, self.product) from error


def invalid(error: ValidationError, product: ProductSpec) -> InvalidPayload:
    """Return what pydantic found, without repeating values: they may be somebody's."""
    found = [
        {"field": ".".join(map(str, e["loc"])) or "body", "problem": e["msg"], "type": e["type"]}
        for e in error.errors(include_url=False, include_context=False, include_input=False)
    ]
    first = found[0]
    told = InvalidPayload(str(first["problem"]), _example(product), path=str(first["field"]))
    told.problem = f"{first['field']}: {first['problem']}."
    told.details["errors"] = found
    missing = [f["field"] for f in found if f["type"] == "missing"]
    if missing:
        told.details["missing_features"] = missing
    return told


def _example(product: ProductSpec) -> str:
    extra = product.request.model_config.get("json_schema_extra")
    examples = extra.get("examples") if isinstance(extra, dict) else None
    return f"Send for example {examples[0]}." if isinstance(examples, list) and examples else "See /docs."


class Products:
    """Every model that applications can ask.

    Attributes
    ----------
    by_name, by_type : dict
        Offers by the model's name, and by document 0's batch type.
    by_route : dict
        Offers by method and path.
    by_kept : dict
        Offers by the kind of document that their requests may name.

    Raises
    ------
    ConfigurationError
        If two models claim the same route or batch type, or a request lacks a field that documents are to fill.
    """

    def __init__(self) -> None:
        self.by_name: dict[str, Offer] = {}
        self.by_type: dict[str, Offer] = {}
        self.by_route: dict[tuple[str, str], Offer] = {}
        self.by_kept: dict[str, list[Offer]] = {}
        for name, spec in catalogue().items():
            product = get_product(name)
            if product is None:
                continue
            offer = self.by_name[name] = Offer(spec, product)
            _claim(self.by_type, product.batch_type, offer)
            for route in product.routes:
                _claim(self.by_route, (route.method, route.path), offer)
            if product.kept is not None:
                _check_kept(offer, product.kept)
                self.by_kept.setdefault(product.kept.entity_type, []).append(offer)

    def find(self, kind: str) -> Offer:
        """Return the offer of a batch type, or of a model's name.

        Raises
        ------
        UnknownModel
            With the types that exist.
        """
        offer = self.by_type.get(kind) or self.by_name.get(kind)
        if offer is None:
            known = ", ".join(sorted(self.by_type)) or "none yet"
            raise UnknownModel(f"No model answers the type {kind!r:.80}.", f"Use one of: {known}.")
        return offer

    def inputs(self, model: str, payload: Any, at: datetime) -> dict[str, npt.NDArray[Any]]:
        """Return the V2 input tensors of a product request, as it was asked at a time.

        Raises
        ------
        UnknownModel, InvalidRequest
            If the model cannot be asked this way, or the request is wrong.
        """
        offer = self.find(model)
        return dict(offer.product.to_inputs(offer.read(payload), at))

    def routes(self) -> list[dict[str, str]]:
        """Return what exists, for the answer to what does not."""
        return [
            {"method": method, "path": path, "model": offer.name} for (method, path), offer in self.by_route.items()
        ]


def _check_kept(offer: Offer, kept: Kept) -> None:
    known = offer.product.request.model_fields
    for name in (kept.id_field, *kept.shape.model_fields):
        if name not in known or known[name].is_required():
            raise ConfigurationError(
                f"{offer.name}: the request's field {name!r} {'must be sent' if name in known else 'does not exist'}, "
                f"but a kept {kept.entity_type} is to fill it.",
                "Give the request an optional field of that name, None when left out.",
            )


def _claim(taken: dict[Any, Offer], key: Any, offer: Offer) -> None:
    if key in taken:
        raise ConfigurationError(
            f"{offer.name} and {taken[key].name} both claim {key}.", "Change one of their product.py files."
        )
    taken[key] = offer
