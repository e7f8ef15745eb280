"""The dataset of the price forecast: features of a bar, and the closes that followed it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt

from components.data.dataset import Dataset
from components.errors import ConfigurationError, DataRejected
from components.features.definitions import NAMES, WINDOW_CHANNELS, WINDOW_LENGTH

if TYPE_CHECKING:
    import pandas as pd

HORIZONS: Final = {"next_bar": 1, "1_day": 1, "5_day": 5, "1_month": 21}
"""Bars ahead by horizon; the days and the month are trading days, so they mean what they say for daily bars."""


def build_dataset(features: pd.DataFrame, bars: pd.DataFrame, horizons: tuple[str, ...]) -> Dataset:
    """Join each row of features with its security's future closes.

    Parameters
    ----------
    features : DataFrame
        As :func:`components.features.price.compute_features` or the feature store returns it.
    bars : DataFrame
        The checked bars frame they were computed from.
    horizons : tuple of str
        Keys of :data:`HORIZONS`.

    Returns
    -------
    Dataset
        Inputs ``features`` (rows, columns of FEATURES; float64) and ``window`` (rows, 60, 5; float32); target ``price``
        (rows, horizons), the close that many of the security's bars ahead. Rows whose farthest target is not known yet
        are left out. Sorted by time, then entity; a label time is the end of the farthest target's bar.

    Raises
    ------
    ConfigurationError
        If a horizon is unknown.
    DataRejected
        If features lack a column or a bar, or no row has all its targets.
    """
    ahead = [_bars_ahead(h) for h in horizons]
    _require_columns(features)
    targets = _future(bars, ahead)
    rows = features.merge(targets, on=["entity", "timestamp"], how="left", validate="one_to_one", indicator=True)
    orphans = rows[rows["_merge"] == "left_only"]
    if len(orphans):
        raise DataRejected(
            f"{len(orphans)} rows of features have no bar, first {orphans.iloc[0]['entity']} at "
            f"{orphans.iloc[0]['timestamp']}.",
            "Pass the bars that the features were computed from.",
        )
    rows = rows[rows["label_time"].notna()].sort_values(["timestamp", "entity"], kind="stable")
    if rows.empty:
        raise DataRejected(
            f"No row is followed by {max(ahead)} bars ({len(features)} rows of features).",
            "Give a longer file or nearer horizons.",
        )
    return Dataset(
        inputs=build_inputs(rows),
        targets={"price": rows[[f"target_{i}" for i in range(len(ahead))]].to_numpy(float)},
        times=rows["timestamp"].to_numpy("datetime64[ns]"),
        label_times=rows["label_time"].to_numpy("datetime64[ns]"),
        entities=rows["entity"].to_numpy(object),
    )


def build_inputs(features: pd.DataFrame) -> dict[str, npt.NDArray[Any]]:
    """Return the model's input tensors of rows of features, in order: for training and for a live request alike."""
    _require_columns(features)
    window = np.array(features["window"].tolist(), dtype=np.float32)
    return {
        "features": features[list(NAMES)].to_numpy(float),
        "window": window.reshape(len(features), WINDOW_LENGTH, len(WINDOW_CHANNELS)),
    }


def _bars_ahead(horizon: str) -> int:
    if horizon not in HORIZONS:
        raise ConfigurationError(f"There is no horizon {horizon!r}.", f"Use one of {', '.join(HORIZONS)}.")
    return HORIZONS[horizon]


def _future(bars: pd.DataFrame, ahead: list[int]) -> pd.DataFrame:
    ordered = bars.sort_values(["entity", "timestamp"])
    by_entity = ordered.groupby("entity")
    targets = ordered[["entity", "timestamp"]].copy()
    for i, n in enumerate(ahead):
        targets[f"target_{i}"] = by_entity["close"].shift(-n)
    targets["label_time"] = by_entity["timestamp"].shift(-max(ahead))
    return targets


def _require_columns(features: pd.DataFrame) -> None:
    for name in ("entity", "timestamp", *NAMES, "window"):
        if name not in features:
            raise DataRejected(
                f"The features lack the column {name!r}.",
                "Compute them with components.features.price.compute_features.",
            )
