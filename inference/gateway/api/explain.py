"""Why: document 1's endpoints that explain one prediction, or a whole model."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request

from inference.gateway.caller import Caller, may
from inference.gateway.envelope import Envelope
from inference.gateway.explain.answers import explain_model, explain_prediction
from inference.gateway.explain.payloads import (
    Counterfactuals,
    Explanation,
    Importance,
    LocalQuestion,
    ShapQuestion,
    SlopeQuestion,
    SurrogateTree,
    TreeQuestion,
)
from inference.gateway.json_route import JsonRoute

router = APIRouter(prefix="/api/v1/ml/explain", tags=["explanations"], route_class=JsonRoute)
ModelName = Annotated[str, Query(min_length=1, max_length=100, examples=["price_forecast"])]
Output = Annotated[str, Query(max_length=200, description="Explained number, as `price.1_day`; the model's by default")]
Against = Annotated[str, Query(max_length=200, description="Input column to explain the change against, as `close`")]


@router.post("/shap", summary="Shapley values", response_model=Envelope[Explanation], operation_id="explain_shap")
async def shap(request: Request, body: ShapQuestion, caller: Caller = may("explain")) -> Any:
    """Attribute one prediction's difference from the usual to the inputs, so that the parts add up to the whole.

    A model that tells the parts of its own answer, as a risk by holding, is explained by those.
    """
    return await explain_prediction(request, caller, body, body.kind, Explanation)


@router.post("/lime", summary="LIME", response_model=Envelope[Explanation], operation_id="explain_lime")
async def lime(request: Request, body: SlopeQuestion, caller: Caller = may("explain")) -> Any:
    """Fit a small linear model around one prediction; `fidelity` tells how far it can be trusted there.

    With the kind `sensitivity`, tell instead how the answer moves with each input alone.
    """
    return await explain_prediction(request, caller, body, body.kind, Explanation)


@router.post(
    "/counterfactual",
    summary="What would have changed the prediction",
    response_model=Envelope[Counterfactuals],
    operation_id="explain_counterfactual",
)
async def counterfactual(request: Request, body: LocalQuestion, caller: Caller = may("explain")) -> Any:
    """Find the smallest changes of the inputs with which the model would have answered otherwise."""
    return await explain_prediction(request, caller, body, "counterfactual", Counterfactuals)


@router.get(
    "/feature-importance",
    summary="What the whole model listens to",
    response_model=Envelope[Importance],
    operation_id="explain_feature_importance",
)
async def feature_importance(
    request: Request,
    model: ModelName,
    output: Output = "",
    relative_to: Against = "",
    rows: Annotated[int, Query(ge=4, le=256, description="Background rows that are explained")] = 32,
    repeats: Annotated[int, Query(ge=2, le=100, description="Times each feature is permuted")] = 10,
    caller: Caller = may("explain"),
) -> Any:
    """Rank a model's features. Computed once for each version: 503 with Retry-After until it is there."""
    parameters = {"output": output, "relative_to": relative_to, "rows": rows, "repeats": repeats}
    return await explain_model(request, model, "global_importance", parameters, Importance)


@router.post(
    "/decision-tree",
    summary="The whole model as a decision tree",
    response_model=Envelope[SurrogateTree],
    operation_id="explain_decision_tree",
)
async def decision_tree(request: Request, body: TreeQuestion, caller: Caller = may("explain")) -> Any:
    """Grow a small tree on a model's own answers. Computed once for each version: 503 with Retry-After until then."""
    return await explain_model(request, body.model, "surrogate_tree", body.model_dump(exclude={"model"}), SurrogateTree)
