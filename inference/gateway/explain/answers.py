"""From an application's question to its explanation: inputs, the explainer, the top factors, the prediction's row."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypeVar

from fastapi import Request
from pydantic import BaseModel
from starlette.concurrency import run_in_threadpool

from components.catalog import catalogue
from components.errors import InvalidRequest
from inference.explain.kinds import SHAP_KINDS
from inference.feature_request import ENTITY
from inference.gateway.caller import Caller
from inference.gateway.envelope import Envelope, ok
from inference.gateway.explain.asking import as_instance, ask_explainer, check_explained, look_up
from inference.gateway.explain.factors import top_factors
from inference.gateway.explain.payloads import LocalQuestion
from inference.gateway.explain.predictions import Logged, find, keep
from inference.gateway.services import Services, services
from inference.router.backend import Headers

A = TypeVar("A", bound=BaseModel)


@dataclass(frozen=True)
class _Inputs:
    """What is explained: a model, one row of its inputs, and the prediction it comes from."""

    model: str
    instance: Mapping[str, Any]
    logged: Logged | None = None


async def explain_prediction(
    request: Request, caller: Caller, question: LocalQuestion, kind: str, shape: type[A]
) -> Envelope[A]:
    """Answer a question about one prediction.

    Raises
    ------
    NoExplainer, UnknownPrediction, InvalidRequest, FeatureUnavailable, ModelUnavailable, ExplanationFailed
    """
    shared = services(request)
    inputs = await _inputs(request, shared, caller, question)
    parameters = {**question.parameters, "kind": kind}
    told = await ask_explainer(shared, inputs.model, _onward(request), inputs.instance, parameters)
    extra: dict[str, Any] = {}
    if inputs.logged is not None:
        extra = await _kept(shared, inputs.logged, told, told.get("method") in SHAP_KINDS)
    return _answer(request, inputs.model, told, shape, extra)


async def explain_model(
    request: Request, model: str, kind: str, parameters: Mapping[str, Any], shape: type[A]
) -> Envelope[A]:
    """Answer a question about a whole model.

    Raises
    ------
    NoExplainer, InvalidRequest, ExplanationPending, ModelUnavailable, ExplanationFailed
    """
    shared = services(request)
    check_explained(shared.table, model)
    told = await ask_explainer(shared, model, _onward(request), None, {**parameters, "kind": kind})
    return _answer(request, model, told, shape, {})


async def _inputs(request: Request, shared: Services, caller: Caller, question: LocalQuestion) -> _Inputs:
    if question.instance is not None:
        check_explained(shared.table, question.model)
        return _Inputs(question.model, question.instance)
    if question.prediction_id is None:
        check_explained(shared.table, question.model)
        offer = shared.products.find(question.model)
        named = offer.read(question.request)
        completed = await shared.predictions.completion.complete(offer, named, caller)
        asked = await _tensors(request, shared, question.model, completed.request, datetime.now(UTC))
        return _Inputs(question.model, asked)
    logged = await run_in_threadpool(find, shared.database, question.prediction_id, caller)
    if question.model not in ("", logged.model):
        raise InvalidRequest(
            f"{question.model!r:.80} did not make this prediction", f"Leave it out, or send {logged.model!r}.", "model"
        )
    check_explained(shared.table, logged.model)
    return _Inputs(logged.model, await _tensors(request, shared, logged.model, logged.request, logged.asked_at), logged)


async def _tensors(request: Request, shared: Services, model: str, payload: Any, at: datetime) -> dict[str, Any]:
    tensors = shared.products.inputs(model, payload, at)
    if ENTITY in tensors:
        tensors = await look_up(shared, model, _onward(request), tensors)
    return as_instance(tensors)


async def _kept(shared: Services, logged: Logged, told: Mapping[str, Any], is_shap: bool) -> dict[str, Any]:
    """Write the explanation to the prediction's row, unless another version than its own was asked."""
    extra: dict[str, Any] = {"prediction_id": logged.prediction_id}
    if told.get("model_version") != logged.version:
        note = (
            f"The prediction was made by version {logged.version}; version {told.get('model_version')} was asked now, "
            "so the explanation is not kept with it."
        )
        return {**extra, "stored": False, "note": note}
    await run_in_threadpool(keep, shared.database, logged.prediction_id, told, is_shap)
    return {**extra, "stored": True}


def _answer(
    request: Request, model: str, told: Mapping[str, Any], shape: type[A], extra: Mapping[str, Any]
) -> Envelope[A]:
    fields = {f.alias or name for name, f in shape.model_fields.items()}
    body = {**told, **extra, "model": model, "top_factors": top_factors(told)}
    if "contributions" in fields:
        body["contributions"] = [{**a, "contribution": a["attribution"]} for a in told["attributions"]]
        body["fidelity"] = (told.get("fidelity") or {}).get("r2")
    known = {*fields, "attributions", "cached"}
    data = shape.model_validate({**body, "details": {k: v for k, v in told.items() if k not in known}})
    spec = catalogue().get(model)
    return ok(
        request,
        data,
        model=model,
        model_version=str(told.get("model_version", "")),
        cached=bool(told.get("cached", False)),
        prediction_id=extra.get("prediction_id"),
        disclaimers=list(spec.disclaimers) if spec else None,
    )


def _onward(request: Request) -> Headers:
    """Return the headers that go on to the model's servers: request id and trace."""
    return list(request.scope["state"].get("onward", ()))
