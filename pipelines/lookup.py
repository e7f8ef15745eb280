"""Look an entity's features up in the feature store and shape them as the model's inputs."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from components.errors import FeatureUnavailable, ModelUnavailable
from components.models.spec import ModelSpec
from inference.feature_request import Keys, read_keys, tensors_from_rows
from inference.local import LocalServing
from inference.v2 import encode_request, parse_request


def entity_inputs(serving: LocalServing, spec: ModelSpec, entity: str, at: str) -> Mapping[str, Any]:
    """Return the input tensors of one row.

    Parameters
    ----------
    entity : str
        For example the security.
    at : str
        ISO 8601 time, UTC.

    Raises
    ------
    FeatureUnavailable
        If the model takes no features from the store, or it knows nothing of the entity at that time.
    """
    import numpy as np
    import pandas as pd

    from components.registry.artifact import read_artifact
    from feature_repo.store import lookup, open_store

    if not spec.feature_service:
        raise FeatureUnavailable(f"{spec.name} has no feature service.", "Give its features in a file: --features.")
    body, _ = encode_request({"entity": np.array([entity], object), "timestamp": np.array([at], object)})
    keys = read_keys(parse_request(body, None)) or Keys([], [])
    rows = lookup(open_store(serving.home), keys.entities, [pd.Timestamp(t) for t in keys.times])
    predictor = next((e for e in serving.running() if e.kind == "predictor" and e.model == spec.name), None)
    if predictor is None:
        raise ModelUnavailable(f"No predictor of {spec.name} runs.", f"Start it with `arthaflow serve {spec.name}`.")
    return tensors_from_rows(rows, read_artifact(Path(predictor.artifact)).input_schema)
