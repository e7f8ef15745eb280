"""The dataset of the volatility forecast: what was known at a close, and the variance that the next days realised."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from components.data.dataset import Dataset
from components.errors import ConfigurationError, DataRejected
from components.features.definitions import WINDOW_CHANNELS, WINDOW_LENGTH
from components.models.contract import FloatArray
from components.models.markets.volatility.inputs import LEVEL_LIMITS, NAMES, range_variances
from components.models.markets.volatility.params import HORIZONS

if TYPE_CHECKING:
    import pandas as pd

REALISED = "realised_variance"
"""Column of daily bars that holds variances from intraday returns, where a caller has computed them."""

REALISED_DAYS = 60
"""Realised variances that a row carries."""


def build_dataset(features: pd.DataFrame, bars: pd.DataFrame, horizons: tuple[str, ...]) -> Dataset:
    """Join each day's features with the variance that its security realised afterwards.

    Parameters
    ----------
    features : DataFrame
        As :func:`components.features.price.compute_features` or the feature store returns it.
    bars : DataFrame
        The daily bars they were computed from. Where it has a column :data:`REALISED`, variances are taken from there
        and the rows carry the last 60 of them; else they are Garman-Klass ranges plus squared overnight returns.
    horizons : tuple of str
        Keys of :data:`~components.models.markets.volatility.params.HORIZONS`.

    Returns
    -------
    Dataset
        Inputs ``features``, ``window`` and ``realised`` (of length 0 or 60). Target ``realised_variance`` of shape
        (rows, horizons): mean daily variance over the days of the horizon, decimal squared, times ``level`` (rows, 1):
        mean squared close-to-close return over mean variance, of all bars up to the row. So the target has the level
        that a model of closes forecasts, and no forecast is favoured by the level of a range. Rows whose farthest day
        is not known yet are left out.

    Raises
    ------
    ConfigurationError
        If a horizon is unknown.
    DataRejected
        If features lack a column or a bar, or no row has all its targets.
    """
    days = [_days(h) for h in horizons]
    lacking = [name for name in (*NAMES, "window") if name not in features.columns]
    if lacking:
        raise DataRejected(
            f"The features lack {', '.join(lacking[:5])}.", "Compute them with components.features.price."
        )
    targets = _targets(bars, days)
    rows = features.merge(targets, on=["entity", "timestamp"], how="left", validate="one_to_one", indicator=True)
    orphans = rows[rows["_merge"] == "left_only"]
    if len(orphans):
        raise DataRejected(
            f"{len(orphans)} rows of features have no bar, first {orphans.iloc[0]['entity']} at "
            f"{orphans.iloc[0]['timestamp']}.",
            "Pass the bars that the features were computed from.",
        )
    rows = rows[rows["label_time"].notna() & rows["realised"].notna()]
    if rows.empty:
        raise DataRejected(
            f"No row is followed by {max(days)} bars ({len(features)} rows of features).",
            "Give a longer file or nearer horizons.",
        )
    rows = rows.sort_values(["timestamp", "entity"], kind="stable")
    return Dataset(
        inputs=build_inputs(rows),
        targets={
            "realised_variance": rows[[f"target_{i}" for i in range(len(days))]].to_numpy(float),
            "level": rows[["level"]].to_numpy(float),
        },
        times=rows["timestamp"].to_numpy("datetime64[ns]"),
        label_times=rows["label_time"].to_numpy("datetime64[ns]"),
        entities=rows["entity"].to_numpy(object),
    )


def build_inputs(rows: pd.DataFrame) -> dict[str, npt.NDArray[Any]]:
    """Return the model's input tensors of rows of features, in order."""
    window = np.array(rows["window"].tolist(), dtype=np.float32)
    return {
        "features": rows[list(NAMES)].to_numpy(float),
        "window": window.reshape(len(rows), WINDOW_LENGTH, len(WINDOW_CHANNELS)),
        "realised": np.array(rows["realised"].tolist(), dtype=np.float64).reshape(len(rows), -1),
    }


def _targets(bars: pd.DataFrame, days: list[int]) -> pd.DataFrame:
    import pandas as pd

    ordered = bars.sort_values(["entity", "timestamp"], kind="stable")
    return pd.concat([_one_security(group, days) for _, group in ordered.groupby("entity", sort=True)])


def _one_security(bars: pd.DataFrame, days: list[int]) -> pd.DataFrame:
    import pandas as pd

    logs = np.log(bars[list(WINDOW_CHANNELS[:4])].to_numpy(float))
    variances = np.concatenate([[np.nan], range_variances(logs)])
    if REALISED in bars.columns:
        variances = bars[REALISED].to_numpy(float)
    level = level_of(np.diff(logs[:, 3], prepend=np.nan), variances)
    made = bars[["entity", "timestamp"]].copy()
    for i, ahead in enumerate(days):
        made[f"target_{i}"] = level * _mean_ahead(variances, ahead)
    made["level"] = level
    missing = made.filter(like="target_").isna().any(axis=1)
    made["label_time"] = made["timestamp"].shift(-max(days)).mask(missing)
    made["realised"] = pd.Series(_last(variances, REALISED in bars.columns), index=made.index, dtype=object)
    return made


def level_of(returns: FloatArray, variances: FloatArray) -> FloatArray:
    """Return mean squared return over mean variance, of all days up to each, shape (days,).

    Some indices print yesterday's close as the open, so their ranges miss the night: 1.6 for the S&P 500.
    """
    known = np.isfinite(returns) & np.isfinite(variances)
    squared = np.cumsum(np.where(known, returns**2, 0.0))
    ranged = np.cumsum(np.where(known, variances, 0.0))
    ratio = np.divide(squared, ranged, out=np.ones_like(squared), where=ranged > 0)
    level: FloatArray = np.clip(ratio, *LEVEL_LIMITS)
    return level


def _mean_ahead(variances: FloatArray, ahead: int) -> FloatArray:
    """Return the mean of the next ``ahead`` values after each, NaN where one of them is not known."""
    out = np.full(len(variances), np.nan)
    if len(variances) > ahead:
        out[:-ahead] = np.lib.stride_tricks.sliding_window_view(variances[1:], ahead).mean(axis=1)
    return out


def _last(variances: FloatArray, wanted: bool) -> list[FloatArray | None]:
    """Return for each day the last realised variances up to it; empty ones where the bars have none."""
    if not wanted:
        return [np.empty(0)] * len(variances)
    rows: list[FloatArray | None] = [None] * len(variances)
    for end in range(REALISED_DAYS, len(variances) + 1):
        part = variances[end - REALISED_DAYS : end]
        rows[end - 1] = part if np.isfinite(part).all() else None
    return rows


def _days(horizon: str) -> int:
    if horizon not in HORIZONS:
        raise ConfigurationError(f"There is no horizon {horizon!r}.", f"Use of: {', '.join(HORIZONS)}.")
    return HORIZONS[horizon]
