"""Container images: one per role, named alike by the graphs, by Katib's trials and by the chart."""

from __future__ import annotations

from importlib.metadata import version
from typing import Literal, get_args

from components.errors import ConfigurationError
from components.settings import settings

TrainingRole = Literal["train-tabular", "train-torch", "train-tensorflow"]
PredictorRole = Literal["predictor-tabular", "predictor-portfolio", "predictor-torch", "predictor-text"]
Role = Literal[TrainingRole, PredictorRole, "tune", "transformer", "explainer", "detector", "gateway"]
ROLES: tuple[str, ...] = get_args(Role)

PREDICTORS: dict[str, PredictorRole] = {
    "numpy": "predictor-tabular",
    "onnx": "predictor-tabular",
    "xgboost": "predictor-tabular",
    "skfolio": "predictor-portfolio",
    "torch": "predictor-torch",
    "text": "predictor-text",
}
"""Role of the predictor by the runtime family that a model's spec names."""


def image(role: str) -> str:
    """Return the image of a role, ``<registry>/<role>:<tag>``, as the settings name registry and tag.

    Raises
    ------
    ConfigurationError
        If there is no such role.
    """
    if role not in ROLES:
        raise ConfigurationError(f"There is no image role {role!r}.", f"Use one of: {', '.join(ROLES)}.")
    config = settings()
    return f"{config.image_registry.rstrip('/')}/{role}:{config.image_tag or version('arthaflow')}"
