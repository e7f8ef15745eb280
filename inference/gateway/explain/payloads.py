"""Shapes of the explain endpoints' requests and answers."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from components.wire import Payload
from inference.explain.kinds import ADDITIVE, SHAP, SLOPES

Name = Annotated[str, Field(min_length=1, max_length=100, examples=["price_forecast"])]
REQUEST: dict[str, Any] = {
    "model": "price_forecast",
    "request": {"security_id": "SP500"},
    "parameters": {"relative_to": "close"},
}
LOGGED: dict[str, Any] = {"prediction_id": "0d6f5c0e-4b0f-4f0e-9d0b-0a6c2f6f3d11"}


class LocalQuestion(Payload):
    """Which prediction: its tensors, the request that asked for it, or the id it was logged under."""

    model_config = ConfigDict(json_schema_extra={"examples": [REQUEST, LOGGED]})

    model: Annotated[str, Field(max_length=100, description="May be left out with a prediction_id")] = ""
    instance: Annotated[
        dict[str, Any] | None, Field(description="One row: tensors by name, each a list, or an object of its columns")
    ] = None
    request: Annotated[dict[str, Any] | None, Field(description="As the model's own endpoint takes it")] = None
    prediction_id: Annotated[str | None, Field(min_length=1, max_length=100, description="From its metadata")] = None
    parameters: Annotated[
        dict[str, Any],
        Field(
            default_factory=dict,
            description="`output`, `relative_to`, and options of the method: see docs/explanations.md",
        ),
    ]

    @model_validator(mode="after")
    def _one_of(self) -> Self:
        given = [n for n in ("instance", "request", "prediction_id") if getattr(self, n) is not None]
        if len(given) != 1:
            raise ValueError(f"give exactly one of instance, request and prediction_id, not {len(given)}")
        if not self.model and self.prediction_id is None:
            raise ValueError("model is missing")
        return self

    @field_validator("parameters")
    @classmethod
    def _kind_is_the_path(cls, value: dict[str, Any]) -> dict[str, Any]:
        if "kind" in value:
            raise ValueError("kind is told by the path")
        return value


class _KindQuestion(LocalQuestion):
    """The same; ``parameters.kind`` may name one way to answer it."""

    _kinds: ClassVar[tuple[str, ...]] = ()

    @field_validator("parameters")
    @classmethod
    def _kind_is_the_path(cls, value: dict[str, Any]) -> dict[str, Any]:
        if value.get("kind", cls._kinds[0]) not in cls._kinds:
            raise ValueError(f"kind is none of {', '.join(cls._kinds)}")
        return value

    @property
    def kind(self) -> str:
        """The way that was asked for."""
        return str(self.parameters.get("kind") or self._kinds[0])


class ShapQuestion(_KindQuestion):
    """The same; ``parameters.kind`` may name one way to compute parts that add up."""

    _kinds = (SHAP, *ADDITIVE)


class SlopeQuestion(_KindQuestion):
    """The same; ``parameters.kind`` may name one way to tell how the answer moves with an input."""

    _kinds = SLOPES


class TreeQuestion(Payload):
    """Which model, and how large a tree."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"model": "price_forecast", "max_depth": 3, "of": "class"}]}
    )

    model: Name
    max_depth: Annotated[int, Field(ge=1, le=10)] = 4
    min_leaf: Annotated[int, Field(ge=1, le=1000)] = 20
    samples: Annotated[int, Field(ge=256, le=65536, description="Made-up rows that the model is asked")] = 8192
    of: Annotated[Literal["value", "class"], Field(description="The number itself, or its direction")] = "value"
    output: Annotated[str, Field(max_length=200)] = ""
    relative_to: Annotated[str, Field(max_length=200)] = ""


class _Told(BaseModel):
    """What every explanation tells."""

    model_config = ConfigDict(protected_namespaces=())

    method: Annotated[str, Field(examples=["permutation_shap"])]
    model: Name
    model_version: Annotated[str, Field(description="That was asked; several with commas, during a canary")]
    output: Annotated[str, Field(description="The explained number", examples=["price.1_day - close"])]
    unit: str = ""
    top_factors: Annotated[list[str], Field(max_length=3, description="For people, the weightiest first")]
    why: str
    seconds: float
    details: Annotated[dict[str, Any], Field(description="Seed, rows asked, library and more of the run")]


class _OfPrediction(_Told):
    """What explanations of one prediction tell beside."""

    prediction: Annotated[float, Field(description="The model's answer, asked anew")]
    prediction_id: str | None = None
    stored: Annotated[bool, Field(description="Whether it was written to the prediction's row")] = False
    note: str | None = None


class Contribution(BaseModel):
    """One input's part in the difference from the usual."""

    feature: str
    value: float | None
    unit: str = ""
    contribution: float
    standard_error: float | None = None
    coefficient: Annotated[float | None, Field(description="LIME: change of the output per unit of the feature")] = None
    given: Annotated[
        dict[str, float] | None, Field(description="Decomposition: what the request gives for it, as its weight")
    ] = None
    slope: Annotated[float | None, Field(description="Sensitivity: change of the output per unit of the feature")] = (
        None
    )
    move: Annotated[
        float | None, Field(description="Sensitivity: the usual move of the feature that the contribution is for")
    ] = None
    elasticity: Annotated[float | None, Field(description="Sensitivity: percent of the output per percent")] = None
    note: Annotated[str | None, Field(description="Sensitivity: why the input was not moved")] = None


class Explanation(_OfPrediction):
    """Contributions that add up from the usual answer to this one; of a sensitivity, one change for each input."""

    base_value: float
    contributions: list[Contribution]
    fidelity: Annotated[float | None, Field(description="LIME: local R2 on rows it was not fitted to")] = None
    additivity: Annotated[
        dict[str, Any] | None, Field(description="Whether base and contributions add up; null where they are not to")
    ]


class Change(BaseModel):
    """One changed input."""

    feature: str
    unit: str = ""
    from_: Annotated[float, Field(alias="from")]
    to: float
    change: float
    share_of_range: float

    model_config = ConfigDict(populate_by_name=True, serialize_by_alias=True)


class Alternative(BaseModel):
    """Inputs with which the model answers otherwise."""

    changes: list[Change]
    prediction: float
    difference: float
    valid: Annotated[bool, Field(description="The served model was asked with exactly this row")]
    distance: Annotated[float, Field(description="Sum of the changes as shares of each feature's range")]
    unusual: Annotated[bool, Field(description="Farther from known rows than 95 % of them are from each other")]
    instance: dict[str, Any]
    why: str


class Counterfactuals(_OfPrediction):
    """The smallest changes, the smallest first."""

    wanted: str
    found: bool
    counterfactuals: list[Alternative]
    held: Annotated[list[str], Field(description="Features that were not changed")]


class Permuted(BaseModel):
    """Mean change of the answer when the feature is permuted, over repeats."""

    mean: float
    standard_deviation: float


class FeatureImportance(BaseModel):
    """One feature's weight in the whole model."""

    feature: str
    unit: str = ""
    mean_absolute_shap: float
    standard_error: float
    share: float
    direction: Annotated[float | None, Field(description="Rank correlation of value and attribution, -1 to 1")]
    permutation: Permuted


class Importance(_Told):
    """Every feature, the weightiest first."""

    base_value: float
    importance: list[FeatureImportance]
    agreement: Annotated[float | None, Field(description="Rank correlation of the two measures")]


class SurrogateTree(_Told):
    """A tree that answers nearly as the model does."""

    of: Literal["value", "class"]
    classes: list[str]
    fidelity: dict[str, Any]
    trustworthy: bool
    depth: int
    leaves: int
    rules: list[str]
    tree: dict[str, Any]
