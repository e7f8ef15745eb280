"""Feature services: what one model asks for, by a name with a version that goes into its lineage."""

from __future__ import annotations

from feast import FeatureService

from feature_repo.views import price_features, price_window

price_forecast_v1 = FeatureService(
    name="price_forecast_v1",
    features=[price_features, price_window],
    description="Inputs of markets/price_forecast.",
    tags={"model": "price_forecast"},
)
