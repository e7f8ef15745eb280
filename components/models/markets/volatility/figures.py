"""Plots of the volatility forecast's evaluation."""

from __future__ import annotations

import numpy as np

from components.evaluation.judge import Figure, Judged
from components.models.markets.volatility.params import HORIZONS, TRADING_DAYS


def figures(judged: Judged) -> list[Figure]:
    """Return the cone of each security at its last forecast, and its forecasts against what was realised."""
    from components.evaluation.plots.volatility_cone import forecast_against_realised, volatility_cone

    data, outputs = judged.data, judged.outputs
    names = tuple(HORIZONS)[: data.targets["realised_variance"].shape[1]]
    made: list[Figure] = []
    for entity in np.unique(data.entities.astype(str)):
        rows = np.flatnonzero(data.entities.astype(str) == entity)
        rows = rows[np.argsort(data.times[rows], kind="stable")]
        variances = data.targets["realised_variance"][rows]
        volatility, lower, upper = (outputs[name][rows] for name in ("volatility", "lower", "upper"))
        drawn = volatility_cone(
            variances[:-1, 0],
            [HORIZONS[name] for name in names],
            volatility[-1],
            lower[-1],
            upper[-1],
            entity,
            data.times[rows[-1]],
        )
        made.append(Figure(f"Volatility cone of {entity}", drawn))
        realised = 100 * np.sqrt(TRADING_DAYS * variances)
        course = forecast_against_realised(
            data.times[rows], volatility[:, -1], lower[:, -1], upper[:, -1], realised[:, -1], entity, names[-1]
        )
        made.append(Figure(f"Forecast and realised volatility of {entity}", course))
    return made
