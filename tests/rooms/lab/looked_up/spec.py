"""Declaration of the looked-up model: a fixed formula on features that the feature store has."""

from components.models.spec import ExplainerSpec, ModelSpec

SPEC = ModelSpec(
    name="looked_up",
    title="Looked up",
    summary="Price in 1 day from four features and a window, by a fixed formula. For tests.",
    owner="tests",
    data_licence="generated",
    model=".model:LookedUp",
    feature_service="price_forecast_v1",
    runtime="numpy",
    task="forecast",
    target="price",
    horizons=("1_day",),
    outputs=("price",),
    explainer=ExplainerSpec(output="price", column="1_day"),
)
