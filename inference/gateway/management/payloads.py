"""What the management routes take. A job's arguments are checked here as far as no training library is needed."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, ConfigDict, Field, model_validator

from components.wire import Day, Integer, Moment, Payload

Text = Annotated[str, Field(max_length=1000)]
Scalar = bool | Integer | float | Text | None
Hyperparameter = Scalar | Annotated[list[Scalar], Field(max_length=100)]
Name = Annotated[str, Field(min_length=1, max_length=200)]
ModelName = Annotated[str, Field(pattern=r"^[A-Za-z0-9_/-]{1,100}$", examples=["price_forecast"])]
Bar = Literal["1d", "1h", "30m", "15m", "5m", "1m"]


def _inside(source: str) -> str:
    if ".." in source.split("/"):
        raise ValueError("name a file below the worker's folder data/, without '..'")
    return source


Source = Annotated[
    str,
    Field(
        pattern=r"^[A-Za-z0-9_][A-Za-z0-9_./-]{0,199}$",
        description="`embedded`, `embedded-stocks`, or a CSV or Parquet file below the worker's folder `<home>/data`.",
        examples=["embedded"],
    ),
    AfterValidator(_inside),
]


class DatasetConfig(Payload):
    """The data to learn from."""

    source: Source | None = Field(default=None, description="The model's own by default.")
    bar: Bar = "1d"
    until: Day | None = Field(default=None, description="Use data up to this day only.", examples=["2016-12-30"])

    def arguments(self, usual: str) -> dict[str, Any]:
        """Return the graph's arguments; ``usual`` is the model's own source."""
        until = {"until": self.until.isoformat()} if self.until else {}
        return {"source": self.source or usual, "bar": self.bar, **until}


class TrainingConfig(Payload):
    """How to train."""

    seed: int = Field(default=7, ge=0, le=2**31 - 1)
    horizons: list[Name] | None = Field(default=None, max_length=20, description="The model's own by default.")
    candidates: list[Name] | None = Field(default=None, max_length=20, description="All of the model's by default.")


class ComputeResources(Payload):
    """What the job may need, for the record: one machine gives what it has, a cluster what the spec asks for."""

    cpu: float | None = Field(default=None, gt=0, le=1024)
    memory: str | None = Field(default=None, max_length=20, examples=["32GB"])
    gpu: int | None = Field(default=None, ge=0, le=64)


class TrainingJobRequest(Payload):
    """A training job."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "job_name": "nightly",
                    "model_name": "price_forecast",
                    "hyperparameters": {"tree_rounds": 300},
                    "training_config": {"seed": 7},
                    "dataset_config": {"source": "embedded", "bar": "1d", "until": "2016-12-30"},
                }
            ]
        },
    )

    model_name: ModelName
    job_name: Annotated[str, Field(max_length=200)] = ""
    hyperparameters: dict[Name, Hyperparameter] = Field(default_factory=dict, max_length=100)
    training_config: TrainingConfig = TrainingConfig()
    dataset_config: DatasetConfig = DatasetConfig()
    compute_resources: ComputeResources | None = None
    estimated_duration_minutes: int | None = Field(default=None, gt=0, le=100_000)


class SearchRequest(Payload):
    """A search of hyper-parameters."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"model_name": "price_forecast", "trials": 12}]})

    model_name: ModelName
    job_name: Annotated[str, Field(max_length=200)] = ""
    trials: int = Field(default=12, ge=1, le=1000, description="Besides the model's own hyper-parameters.")
    max_duration_s: int = Field(
        default=0, ge=0, le=30 * 86_400, description="Start no trial after so long; 0 for no limit."
    )
    fixed: dict[Name, Hyperparameter] = Field(
        default_factory=dict, max_length=100, description="Hyper-parameters that are not searched."
    )
    seed: int = Field(default=7, ge=0, le=2**31 - 1)
    dataset_config: DatasetConfig = DatasetConfig()


class Plan(Payload):
    """How to roll out, where it differs from the platform's plan."""

    steps: list[Annotated[int, Field(ge=1, le=100)]] | None = Field(
        default=None,
        min_length=1,
        max_length=20,
        description="Percent of the traffic, rising to 100.",
        examples=[[10, 50, 100]],
    )
    soak_s: float | None = Field(default=None, gt=0, le=7 * 86_400, description="Least seconds at a step.")
    max_wait_s: float | None = Field(default=None, gt=0, le=30 * 86_400)
    on_inconclusive: Literal["rollback", "hold"] | None = None

    @model_validator(mode="after")
    def _rising(self) -> Plan:
        if self.steps and (sorted(set(self.steps)) != self.steps or self.steps[-1] != 100):
            raise ValueError("steps rise and end with 100, for example [10, 50, 100]")
        return self

    def arguments(self) -> dict[str, Any]:
        """Return what is given."""
        return self.model_dump(exclude_none=True)


class DeployRequest(Payload):
    """Deploy a version: a canary with an analysis at each step, which promotes or takes back by itself."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"environment": "production", "plan": {"steps": [10, 50, 100]}}]}
    )

    environment: str = Field(
        default="production", max_length=50, description="`production`, or `staging`: ready, no traffic."
    )
    plan: Plan = Plan()


class AdminDeployRequest(Payload):
    """Document 3's request."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"model_name": "price_forecast", "version": "2", "environment": "production"}]},
    )

    model_name: ModelName
    version: str = Field(min_length=1, max_length=50, description="`2`, `v2`, or `candidate`.", examples=["2"])
    environment: str = Field(min_length=1, max_length=50, examples=["production"])


class RetireRequest(Payload):
    """Retire a version: it shall never serve again."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"reason": "Trained before the corporate action was known."}]}
    )

    reason: str = Field(min_length=3, max_length=1000, examples=["Trained before the corporate action was known."])


class RegisterRequest(Payload):
    """Register an artifact that the installation's store has."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "model_name": "price_forecast",
                    "artifact_uri": "s3://models/price_forecast/20261121T120000-1a2b",
                    "description": "Trained on the research cluster, run 1a2b.",
                }
            ]
        },
    )

    model_name: ModelName
    artifact_uri: str = Field(min_length=1, max_length=1000, description="As the artifact store writes it.")
    description: str = Field(default="", max_length=1000)


class ComputeRequest(Payload):
    """Compute one entity's features."""

    model_config = ConfigDict(
        populate_by_name=True,
        json_schema_extra={"examples": [{"entity_type": "instrument", "entity_id": "SP500", "features": ["rsi_14"]}]},
    )

    entity_type: Literal["instrument"] = "instrument"
    entity_id: str = Field(min_length=1, max_length=100, examples=["SP500"])
    features: list[Name] | None = Field(default=None, max_length=500, description="All of them by default.")
    since: Moment | None = Field(
        default=None, alias="from", description="Tell values from here on; the newest by default."
    )
    until: Moment | None = None
    source: Source = "embedded"
    bar: Bar = "1d"


class ImportanceRequest(Payload):
    """Score a feature by shuffling it."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"model_name": "price_forecast", "repeats": 5}]})

    model_name: ModelName | None = Field(
        default=None, description="The one model that takes stored features, by default."
    )
    version: str = Field(default="production", max_length=50)
    repeats: int = Field(default=5, ge=1, le=100)
