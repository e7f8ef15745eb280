"""Ask the running servers of a model: a prediction, an explanation, the drift verdict."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from components.errors import ArthaflowError, InvalidRequest, ModelUnavailable
from components.models.spec import ModelSpec
from inference.local import LocalServing
from inference.v2 import Client


def predict_entity(
    serving: LocalServing, spec: ModelSpec, entity: str, at: str
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Ask the transformer, which looks the features up in Feast.

    Parameters
    ----------
    entity : str
        For example the security.
    at : str
        ISO 8601 time, UTC.

    Returns
    -------
    outputs : dict of str to ndarray
    parameters : dict
        Model version, time, disclaimers.
    """
    transformer = serving.find("transformer", spec.name)
    inputs = {"entity": np.array([entity], dtype=object), "timestamp": np.array([at], dtype=object)}
    with Client(transformer.url, spec.name) as client:
        return client.infer(inputs)


def predict_inputs(
    serving: LocalServing, spec: ModelSpec, inputs: Mapping[str, Any]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Ask the router with tensors that carry the features."""
    with Client(serving.find("router", spec.name).url, spec.name) as client:
        return client.infer({name: np.asarray(value) for name, value in inputs.items()})


def served_horizons(serving: LocalServing, spec: ModelSpec) -> tuple[str, ...]:
    """Return the names of the point forecast's columns as they are served; the spec's where the server names none."""
    with Client(serving.find("router", spec.name).url, spec.name) as client:
        tensors = {tensor["name"]: tensor for tensor in client.metadata()["outputs"]}
    columns = (tensors[spec.outputs[0]].get("parameters") or {}).get("columns", ())
    return tuple(column["name"] for column in columns) or spec.horizons


def explain_inputs(
    serving: LocalServing, spec: ModelSpec, instance: Mapping[str, Any], **parameters: str
) -> dict[str, Any]:
    """Ask the explainer about one row.

    Parameters
    ----------
    instance : mapping
        The row's input tensors, without the row axis.
    **parameters
        ``kind`` (a method), ``output`` (``tensor.column``), ``relative_to`` (an input column); the server's defaults
        for what is not given.
    """
    body = {"instances": [{k: np.asarray(v).tolist() for k, v in instance.items()}], "parameters": parameters}
    answer = call("POST", f"{serving.find('explainer', spec.name).url}/v1/models/{spec.name}:explain", body)
    explanation: dict[str, Any] = answer["explanations"][0]
    return explanation


def drift_verdict(serving: LocalServing, spec: ModelSpec) -> dict[str, Any]:
    """Ask the detector what it makes of its window."""
    return call("GET", f"{serving.find('detector', spec.name).url}/v1/drift")


def call(method: str, url: str, body: Any = None, timeout: float = 120.0) -> dict[str, Any]:
    """Send JSON to one of our servers and return its JSON answer.

    Raises
    ------
    InvalidRequest
        If it refuses what was asked.
    ModelUnavailable
        If it does not answer.
    """
    import httpx

    try:
        answer = httpx.request(method, url, json=body, timeout=timeout, trust_env=False)
    except httpx.TransportError as error:
        raise ModelUnavailable(f"{url} does not answer ({error}).", "Start it with `arthaflow serve`.") from error
    if answer.is_success:
        result: dict[str, Any] = answer.json()
        return result
    told = answer.json() if "json" in answer.headers.get("content-type", "") else {"error": answer.text}
    kind = InvalidRequest if answer.status_code < 500 else ArthaflowError
    raise kind(str(told.get("error", told)), str(told.get("remedy", "")))
