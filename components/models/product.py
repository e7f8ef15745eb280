"""ProductSpec: how the product's applications ask one model, declared in ``product.py`` beside the model's spec.

The gateway builds the routes, their OpenAPI entry, their validation and their cache from it. ``product.py`` imports
pydantic and numpy and nothing heavier, because the gateway's image holds nothing else.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel

Tensors = Mapping[str, npt.NDArray[Any]]
"""Input or output tensors by name, the first axis being the rows."""


@dataclass(frozen=True)
class Route:
    """One endpoint of a document in ``seeds``, exactly as it writes it.

    Attributes
    ----------
    method, path : str
        For example ``POST`` and ``/api/ml/predictions/price``.
    """

    method: Literal["GET", "POST"]
    path: str


@dataclass(frozen=True)
class Served:
    """What a model's server answered, as ``ProductSpec.to_response`` sees it.

    Attributes
    ----------
    outputs : mapping of str to ndarray
        Output tensors of one row or more.
    parameters : mapping
        Parameters of the V2 answer, for example ``feature_timestamps``.
    columns : mapping of str to tuple of str
        Names of each output tensor's columns, as the model's metadata tells them (for example the horizons).
    model_version : str
        That answered.
    generated_at : str
        When, ISO 8601, UTC.
    disclaimers : tuple of str
        The spec's.
    """

    outputs: Tensors
    parameters: Mapping[str, Any] = field(default_factory=dict)
    columns: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    model_version: str = ""
    generated_at: str = ""
    disclaimers: tuple[str, ...] = ()


@dataclass(frozen=True)
class Subject:
    """What a prediction is about, for the prediction log.

    Attributes
    ----------
    entity_type : str
        ``instrument``, ``portfolio``, ``user``, ``goal``, ``strategy`` or ``market``.
    entity_id : str
        Its identity.
    horizon : str
        ``1d``, ``5d``, ...; empty where there is none or several.
    user_id : str
        The person whose data the request carries, where it names one; hashed before it is kept.
    """

    entity_type: str
    entity_id: str
    horizon: str = ""
    user_id: str = ""


@dataclass(frozen=True)
class Kept:
    """A document that applications keep with the platform, so that a request may name it instead of carrying it.

    Attributes
    ----------
    entity_type : str
        ``portfolio``, ``goal`` or ``strategy``; models that share it share the documents.
    id_field : str
        Field of the request that names one, for example ``portfolio_id``.
    shape : type of BaseModel
        Its parts that this model needs, under the names of the request's fields. Where a request leaves one of them out
        and names a document, the document's part takes its place.
    """

    entity_type: str
    id_field: str
    shape: type[BaseModel]


@dataclass(frozen=True)
class ProductSpec:
    """How applications ask one model.

    Attributes
    ----------
    routes : tuple of Route
        Every endpoint that this model answers.
    batch_type : str
        Its ``type`` in document 0's batch endpoint, for example ``price_prediction``.
    request, response : type of BaseModel
        Shapes of the document; ``model_config`` of the request carries an example (``json_schema_extra``), and so does
        the response's. A GET route's query parameters are the request's fields.
    to_inputs : callable
        Request and the present time (UTC) to the V2 input tensors, as the model's transformer or predictor takes them.
        Pure: the time is the only thing it may know beside the request, and is logged with it. Raises
        :class:`~components.errors.InvalidRequest` for what the schema alone cannot refuse.
    to_response : callable
        Request and what the server answered to the response.
    subject : callable
        What the prediction is about.
    value : callable or None
        Response to the one number that outcomes are compared with (``ml_predictions.prediction_value``); None for none.
    confidence : callable or None
        Response to its confidence, a share.
    reference : callable or None
        Response to what ``value`` starts from, so that its direction can be judged; None where there is no direction.
    cache_ttl_s : float or callable
        How long an answer is reused, seconds; 0 for never. A callable is given the request: an answer about the next
        minutes ages faster than one about next month.
    stale_for_s : float or callable
        How long after that an answer may still stand in, marked stale, while the model cannot answer; 0 for never.
    kept : Kept or None
        Documents that a request may name; None where it always carries everything.
    durable : bool
        Whether a prediction must be in the database, not only in the on-disk queue, before it is answered.
    """

    routes: tuple[Route, ...]
    batch_type: str
    request: type[BaseModel]
    response: type[BaseModel]
    to_inputs: Callable[[Any, datetime], Tensors]
    to_response: Callable[[Any, Served], BaseModel]
    subject: Callable[[Any], Subject]
    value: Callable[[Any], float | None] | None = None
    confidence: Callable[[Any], float | None] | None = None
    reference: Callable[[Any], float | None] | None = None
    cache_ttl_s: float | Callable[[Any], float] = 3600.0
    stale_for_s: float | Callable[[Any], float] = 0.0
    kept: Kept | None = None
    durable: bool = False

    def lives(self, request: Any) -> float:
        """Return how long the answer to a request is reused, seconds."""
        return self.cache_ttl_s(request) if callable(self.cache_ttl_s) else self.cache_ttl_s

    def stands_in(self, request: Any) -> float:
        """Return how long after that it may stand in for a model that cannot answer, seconds."""
        return self.stale_for_s(request) if callable(self.stale_for_s) else self.stale_for_s


def text_tensor(values: list[str]) -> npt.NDArray[Any]:
    """Return strings as a BYTES tensor of shape (len(values),)."""
    return np.array(values, dtype=object)
