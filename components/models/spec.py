"""ModelSpec: the one declaration of a model. Light on purpose: a spec imports nothing heavy."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from importlib import import_module
from typing import TYPE_CHECKING, Any, Literal

from components.errors import ConfigurationError
from components.images import PREDICTORS, PredictorRole, TrainingRole

if TYPE_CHECKING:
    from components.models.contract import Model


@dataclass(frozen=True)
class GateSpec:
    """When a trained version may be promoted.

    Attributes
    ----------
    metric : str
        Primary metric, lower is better, as the evaluation names it.
    alpha : float
        Significance level of the test against the baseline.
    max_rmse_ratio : float
        Largest allowed RMSE relative to the baseline's (non-inferiority of the point forecast).
    coverage_tolerance : float
        Largest allowed distance of the first horizon's interval coverage from its nominal level, decimal.
    max_loss_to_production : float
        Largest allowed relative loss on ``metric`` against the version in production, decimal.
    must : str
        For a model with a judge: ``beat`` its first baseline significantly, or ``match`` it, which is to be not
        significantly worse.
    claims : tuple of str
        For a model with a judge: names of the claims that must hold.
    """

    metric: str = "interval_score"
    alpha: float = 0.05
    max_rmse_ratio: float = 1.02
    coverage_tolerance: float = 0.03
    max_loss_to_production: float = 0.02
    must: Literal["beat", "match"] = "beat"
    claims: tuple[str, ...] = ()


@dataclass(frozen=True)
class ExplainerSpec:
    """How predictions of the model are explained.

    ``kinds`` in order of preference; the first whose library is installed is the default. ``output`` and ``column``
    select the explained number; the explanation attributes its difference from the background mean.

    ``contributions`` names the output tensor whose values add up to the explained number, for the kind
    ``decomposition``, and ``labels`` the text tensor (input or output) of the same length that says whose they are.
    """

    kinds: tuple[str, ...] = (
        "kernel_shap",
        "anchor_tabular",
        "permutation_shap",
        "lime_tabular",
        "counterfactual",
        "global_importance",
        "surrogate_tree",
    )
    output: str = ""
    column: str = ""
    contributions: str = ""
    labels: str = ""
    background_rows: int = 64
    seed: int = 7


@dataclass(frozen=True)
class DriftSpec:
    """How drift of the model's inputs is judged.

    Attributes
    ----------
    columns : tuple of str
        ``tensor.column`` paths that are watched; empty for every column of the first tensor.
    detectors : tuple of str
        Of ``ks``, ``psi``, ``mmd`` (own) and ``alibi_ks``, ``alibi_mmd`` (optional environment).
    alpha : float
        Family-wise false alarm rate.
    power : float
        Wanted probability to detect a shift of ``effect``.
    effect : float
        Smallest Kolmogorov-Smirnov distance that matters, decimal.
    psi_threshold : float
        Population stability index above which a column has drifted.
    """

    columns: tuple[str, ...] = ()
    detectors: tuple[str, ...] = ("ks", "psi", "alibi_ks", "alibi_mmd")
    alpha: float = 0.05
    power: float = 0.9
    effect: float = 0.25
    psi_threshold: float = 0.2


@dataclass(frozen=True)
class ServingSpec:
    """Serving defaults, for local processes and for chart values.

    ``accelerator`` is the resource name of a GPU or of a MIG profile; empty for none.
    """

    min_replicas: int = 1
    max_replicas: int = 4
    cpu: str = "1"
    memory: str = "1Gi"
    batching: bool = True
    max_batch: int = 256
    timeout_s: float = 30.0
    accelerator: str = ""


@dataclass(frozen=True)
class SloSpec:
    """Service level objectives that the canary analysis holds a version to.

    ``max_distribution_distance`` is the largest share of predictions that a new version may move by more than
    ``RolloutSpec.tolerance`` (Kolmogorov-Smirnov distance with that tolerance), decimal.
    """

    p95_ms: float = 200.0
    error_rate: float = 0.05
    availability: float = 0.999
    max_distribution_distance: float = 0.35


@dataclass(frozen=True)
class TrainingSpec:
    """What a training step asks of a cluster; one machine ignores it.

    Attributes
    ----------
    cpu, memory : str
        Kubernetes quantities.
    accelerator : str
        Resource name of an accelerator, for example ``nvidia.com/gpu`` or a MIG profile's; empty for none.
    accelerators : int
        How many of them.
    image : str
        Image role of the steps that fit candidates: ``train-tabular``, ``train-torch`` (with PyTorch) or
        ``train-tensorflow`` (with both).
    timeout_s : int
        Longest time of one step, seconds.
    schedule : str
        When the model is trained again, as a five-field cron line; empty for never by itself.
    """

    cpu: str = "1"
    memory: str = "2Gi"
    accelerator: str = ""
    accelerators: int = 1
    image: TrainingRole = "train-tabular"
    timeout_s: int = 7200
    schedule: str = "0 2 * * 0"


@dataclass(frozen=True)
class RolloutSpec:
    """Which number of a prediction the canary analysis compares between two versions, and what counts as the same.

    Attributes
    ----------
    output, column : str
        Output tensor and column; empty for the first output of the model and its first column.
    relative_to : str
        ``tensor.column`` of the input that the number is divided by, so that rows of different size compare; empty for
        none.
    tolerance : float
        Differences up to this are immaterial, in the unit of the compared number.
    bounds : tuple of float, or None
        Usual range of the compared number. Predictors count it in a histogram of ``steps`` equal steps over this range,
        which is all that a rollout on a cluster sees of it; None: no histogram, and no such rollout while
        ``SloSpec.max_distribution_distance`` limits the predictions.
    steps : int
        How many steps; each is a time series of every pod.
    """

    output: str = ""
    column: str = ""
    relative_to: str = ""
    tolerance: float = 0.0
    bounds: tuple[float, float] | None = None
    steps: int = 128

    def __post_init__(self) -> None:
        if self.bounds is None:
            return
        low, high = self.bounds
        if not (math.isfinite(low) and math.isfinite(high) and low < high and 2 <= self.steps <= 512):
            raise ConfigurationError(
                f"RolloutSpec.bounds is {self.bounds} in {self.steps} steps.",
                "Give a finite lower and a larger finite upper end, and 2 to 512 steps.",
            )

    @property
    def resolution(self) -> float:
        """Width of a step, in the unit of the compared number; 0 without bounds."""
        return (self.bounds[1] - self.bounds[0]) / self.steps if self.bounds else 0.0

    @property
    def grid(self) -> tuple[float, ...]:
        """Upper ends of the histogram's buckets, ascending: the lower bound first, the upper bound last."""
        if self.bounds is None:
            return ()
        low, high = self.bounds
        return (*(low + i * self.resolution for i in range(self.steps)), high)


@dataclass(frozen=True)
class ModelSpec:
    """The declaration of one model; everything else in the platform follows from it.

    Attributes
    ----------
    name : str
        Unique in the catalogue, lower snake case; also the name on the inference protocol.
    title, summary : str
        For people: one line each.
    owner : str
        Team or person on call.
    data_licence : str
        Licence of the default data.
    model, dataset : str
        ``module:object`` of the :class:`~components.models.contract.Model` class and of the dataset builder; a leading
        dot is relative to the model's own folder.
    judge : str
        ``module:object`` of the :class:`~components.evaluation.judge.Judge` that scores the model's answers; empty for
        a model whose outputs are compared with its target as forecasts.
    source : str
        Where its data comes from unless a run says otherwise: see :func:`components.data.sources.load_bars`.
    feature_service : str
        Feast feature service that serves online requests; empty when requests always carry features.
    runtime : str
        Runtime family, which picks the predictor image.
    outputs : tuple of str
        ``(point, lower, upper)`` output tensors that evaluation compares with the target tensor ``target``.
    target : str
        Target tensor of the dataset, of shape (rows, len(horizons)).
    horizons : tuple of str
        Names of the target's columns.
    coverage : float
        Nominal coverage of the interval, decimal.
    disclaimers : tuple of str
        Sent with every prediction.
    """

    name: str
    title: str
    summary: str
    owner: str
    data_licence: str
    model: str = ".model:Model"
    dataset: str = ".data:build_dataset"
    judge: str = ""
    source: str = "embedded"
    feature_service: str = ""
    runtime: Literal["onnx", "xgboost", "numpy", "skfolio", "torch", "text"] = "onnx"
    task: Literal["forecast", "regression", "classification"] = "forecast"
    target: str = "target"
    horizons: tuple[str, ...] = ("target",)
    outputs: tuple[str, ...] = ("prediction",)
    coverage: float = 0.9
    gate: GateSpec = field(default_factory=GateSpec)
    explainer: ExplainerSpec = field(default_factory=ExplainerSpec)
    drift: DriftSpec = field(default_factory=DriftSpec)
    serving: ServingSpec = field(default_factory=ServingSpec)
    slo: SloSpec = field(default_factory=SloSpec)
    rollout: RolloutSpec = field(default_factory=RolloutSpec)
    training: TrainingSpec = field(default_factory=TrainingSpec)
    disclaimers: tuple[str, ...] = ()
    package: str = field(default="", compare=False)
    """Dotted package of the model's folder; the catalogue fills it in."""

    @property
    def room(self) -> str:
        """Domain folder the model lives in, for example ``markets``."""
        return self.package.split(".")[-2] if self.package else ""

    @property
    def predictor_role(self) -> PredictorRole:
        """Image role of the predictor."""
        return PREDICTORS[self.runtime]

    def load_model_class(self) -> type[Model]:
        """Import and return the model class."""
        cls: type[Model] = self.resolve(self.model)
        return cls

    def resolve(self, reference: str) -> Any:
        """Import ``module:object``; a leading dot is relative to the model's folder."""
        module, _, name = reference.partition(":")
        return getattr(import_module(module, self.package or None), name)
