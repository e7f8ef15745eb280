"""GARCH-t and GJR-GARCH-t, fitted by arch on the training returns and filtered through the window when serving."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from components.data.dataset import Dataset
from components.finance.garch import GarchParams, filter_variances, fit_garch, forecast_variance
from components.models.contract import FloatArray
from components.models.markets.volatility.inputs import MIN_VARIANCE, Prepared
from components.models.markets.volatility.members.base import Member
from components.models.markets.volatility.series import return_series


class GarchT(Member):
    """GARCH(1,1) with Student-t shocks.

    With several securities in training, one set of parameters serves all: the mean of each security's own. A security
    that is asked about later need not have been among them. The recursion starts at the mean squared shock of the
    window; 59 days later less than a twentieth of that start is left.
    """

    name = "garch_t"
    asymmetric: ClassVar[bool] = False

    def _fit(self, train: Dataset, validation: Dataset) -> None:
        fits = [fit_garch(returns, self.asymmetric) for returns in return_series(train).values()]
        self.fitted = GarchParams(**{k: float(np.mean([f.to_dict()[k] for f in fits])) for k in fits[0].to_dict()})

    def forecast(self, x: Prepared) -> FloatArray:
        """Return log variances of prepared rows, shape (rows, horizons)."""
        start = np.maximum(((x.returns - self.fitted.mu) ** 2).mean(axis=1), MIN_VARIANCE)
        after = filter_variances(self.fitted, x.returns.T, start)[-1]
        daily = forecast_variance(self.fitted, after, int(self.params.days.max()))
        means = [daily[:, :days].mean(axis=1) for days in self.params.days]
        logs: FloatArray = np.log(np.maximum(np.stack(means, axis=1), MIN_VARIANCE))
        return logs

    def _state(self) -> dict[str, Any]:
        return {"parameters": self.fitted.to_dict()}

    def _restore(self, state: dict[str, Any], directory: Path) -> None:
        self.fitted = GarchParams.from_dict(state["parameters"])


class GjrT(GarchT):
    """GJR-GARCH(1,1,1): a fall raises the variance by more than a rise."""

    name = "gjr_t"
    asymmetric = True
