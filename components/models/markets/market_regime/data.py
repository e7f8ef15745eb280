"""The dataset of the market regime: what was known at a bar's end, and the regime that it turned out to be in."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from components.data.dataset import Dataset
from components.errors import DataRejected
from components.features.definitions import WINDOW_CHANNELS, WINDOW_LENGTH
from components.models.markets.market_regime.dating import REGIMES, date_regimes
from components.models.markets.market_regime.observations import USED

if TYPE_CHECKING:
    import pandas as pd


def build_dataset(features: pd.DataFrame, bars: pd.DataFrame, horizons: tuple[str, ...]) -> Dataset:
    """Join each row of features with its security's dated regime.

    Parameters
    ----------
    features : DataFrame
        As :func:`components.features.price.compute_features` or the feature store returns it.
    bars : DataFrame
        The checked bars frame they were computed from.
    horizons : tuple of str
        Names of the regimes: :data:`~components.models.markets.market_regime.dating.REGIMES`.

    Returns
    -------
    Dataset
        Inputs ``features`` (rows, 5; float64) and ``window`` (rows, 60, 5; float32); targets ``regime`` (rows, 3; one
        and zeros) and ``next_return`` (rows, 1; log return of the next bar). A label time is when the dating became
        certain, which is at least one bar later and often months; rows whose regime is not certain yet are left out.

    Raises
    ------
    DataRejected
        If no row's regime is certain.
    """
    dated = _dated(bars)
    rows = features.merge(dated, on=["entity", "timestamp"], how="inner", validate="one_to_one")
    rows = rows.sort_values(["timestamp", "entity"], kind="stable")
    if rows.empty:
        raise DataRejected(
            f"No regime of {features['entity'].nunique()} securities is certain ({len(features)} rows of features).",
            "Give a longer history: a regime is dated by swings of 20 %.",
        )
    window = np.array(rows["window"].tolist(), dtype=np.float32)
    return Dataset(
        inputs={
            "features": rows[list(USED)].to_numpy(np.float64),
            "window": window.reshape(len(rows), WINDOW_LENGTH, len(WINDOW_CHANNELS)),
        },
        targets={
            "regime": np.eye(len(REGIMES))[rows["regime"].to_numpy(np.int64)],
            "next_return": rows[["next_return"]].to_numpy(np.float64),
        },
        times=rows["timestamp"].to_numpy("datetime64[ns]"),
        label_times=rows["label_time"].to_numpy("datetime64[ns]"),
        entities=rows["entity"].to_numpy(object),
    )


def _dated(bars: pd.DataFrame) -> pd.DataFrame:
    import pandas as pd

    tables = []
    for _, own in bars.sort_values(["entity", "timestamp"]).groupby("entity"):
        close = own["close"].to_numpy(np.float64)
        regime, certain = date_regimes(close)
        known = certain < len(close)
        table = own.loc[known, ["entity", "timestamp"]].copy()
        table["regime"] = regime[known]
        table["label_time"] = own["timestamp"].to_numpy()[certain[known]]
        table["next_return"] = np.append(np.diff(np.log(close)), np.nan)[known]
        tables.append(table)
    return pd.concat(tables, ignore_index=True)
