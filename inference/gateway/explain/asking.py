"""Asks a model's explainer, and its transformer for features, and turns refusals into the product's errors."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import orjson

from components.errors import ArthaflowError, FeatureUnavailable, InvalidRequest, ModelUnavailable
from inference.router.backend import Headers, Response
from inference.v2.client import decode_response, encode_request

if TYPE_CHECKING:
    from inference.gateway.services import Services
    from inference.gateway.table import ModelTable

NOT_IMPLEMENTED = 501
"""A predictor is asked to explain: the models file names no explainer of its own."""
JSON = (b"content-type", b"application/json")
ASYNC = (b"prefer", b"respond-async")


class NoExplainer(ArthaflowError):
    """The model is served, but nothing explains it."""

    status = 404
    code = "EXPLAINER_NOT_AVAILABLE"


class ExplanationPending(ArthaflowError):
    """An explanation of the whole model is being computed."""

    status = 503
    code = "EXPLANATION_PENDING"


class ExplanationFailed(ArthaflowError):
    """The explainer answered with an error of its own."""

    status = 502
    code = "EXPLANATION_FAILED"


def explained_models(table: ModelTable) -> list[str]:
    """Return the models that have an explainer."""
    return sorted(name for name, entry in table.entries.items() if entry.explains)


def check_explained(table: ModelTable, model: str) -> None:
    """Refuse a model without an explainer.

    Raises
    ------
    NoExplainer
        With the models that have one.
    """
    known = explained_models(table)
    if model in known:
        return
    listed = ", ".join(known)
    error = NoExplainer(
        f"{'Nothing explains' if model in table.entries else 'There is no'} model {model!r:.80} here.",
        f"Use one of: {listed}." if listed else "No model that is served has an explainer.",
    )
    error.details["models"] = known
    raise error


async def ask_explainer(
    shared: Services, model: str, onward: Headers, instance: Mapping[str, Any] | None, parameters: Mapping[str, Any]
) -> dict[str, Any]:
    """Return one explanation as the explainer tells it.

    Parameters
    ----------
    onward : list of (bytes, bytes)
        Request id and trace.
    instance : mapping or None
        One row's tensors, without the row axis; None for a kind that explains the whole model.
    parameters : mapping
        ``kind`` and its options.

    Raises
    ------
    InvalidRequest, ExplanationPending, ModelUnavailable, ExplanationFailed
    """
    question = {"parameters": dict(parameters), **({} if instance is None else {"instances": [dict(instance)]})}
    response = await shared.calls.explain(model, [*onward, JSON, ASYNC], orjson.dumps(question))
    if response.status != 200:
        raise _refusal(model, response)
    explanation: dict[str, Any] = orjson.loads(response.body)["explanations"][0]
    return explanation


async def look_up(
    shared: Services, model: str, onward: Headers, tensors: Mapping[str, npt.NDArray[Any]]
) -> dict[str, npt.NDArray[Any]]:
    """Return the tensors that the model's transformer looks up for an entity and a time.

    Raises
    ------
    FeatureUnavailable
        If the store knows nothing of the entity, or nothing looks features up for this model.
    InvalidRequest, ModelUnavailable, ExplanationFailed
    """
    body, own = encode_request(tensors)
    headers = [*onward, *((k.lower().encode(), v.encode()) for k, v in own.items())]
    target = f"/v2/models/{model}/features"
    response = await shared.calls.ask(shared.calls.upstreams[model], "POST", target, headers, body)
    if response.status != 200:
        raise _refusal(model, response)
    told = {name.decode("latin-1"): value.decode("latin-1") for name, value in response.headers}
    return decode_response(response.body, told)[0]


def as_instance(tensors: Mapping[str, npt.NDArray[Any]]) -> dict[str, Any]:
    """Return the one row of a batch as an explainer's instance.

    Raises
    ------
    InvalidRequest
        If there are several rows.
    """
    rows = max((len(np.atleast_1d(values)) for values in tensors.values()), default=0)
    if rows != 1:
        raise InvalidRequest(f"it stands for {rows} rows", "Ask about one prediction at a time.", path="request")
    return {name: values[0].tolist() for name, values in tensors.items()}


def _refusal(model: str, response: Response) -> ArthaflowError:
    told = _body(response)
    problem = str(told.get("error") or f"The explainer of {model!r} answered with status {response.status}.")
    remedy, path = str(told.get("remedy", "")), str(told.get("path", ""))
    after = dict(response.headers).get(b"retry-after", b"")
    error: ArthaflowError
    if response.status in (400, 422):
        place = path.replace("instances[0]", "instance", 1)
        return InvalidRequest(problem.removeprefix(f"{path}: "), remedy, place)
    if response.status == 404:
        return FeatureUnavailable(problem, remedy or "Send the tensors as `instance`.")
    if response.status == 202:
        error = ExplanationPending(problem, remedy)
    elif response.status in (429, 503, 504):
        error = ModelUnavailable(problem, remedy or "Send the request again in a second.")
    elif response.status == NOT_IMPLEMENTED:
        return NoExplainer(
            f"Nothing explains model {model!r:.80} here.", "Serve it with an explainer; its predictions need none."
        )
    else:
        return ExplanationFailed(problem, remedy or "Report it with the request id.")
    error.retry_after_s = float(after) if after.isdigit() else 1.0
    return error


def _body(response: Response) -> dict[str, Any]:
    try:
        told = orjson.loads(response.body)
    except orjson.JSONDecodeError:
        return {}
    return told if isinstance(told, dict) else {}
