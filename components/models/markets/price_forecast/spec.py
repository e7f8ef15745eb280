"""Declaration of the price forecast."""

from components.models.spec import (
    DriftSpec,
    ExplainerSpec,
    GateSpec,
    ModelSpec,
    RolloutSpec,
    ServingSpec,
    SloSpec,
    TrainingSpec,
)

SPEC = ModelSpec(
    name="price_forecast",
    title="Price forecast",
    summary="Price of a security in 1 day, 5 days and 1 month (or at the next intraday bar), with conformal intervals.",
    owner="markets-ml",
    data_licence="arch.data and skfolio.datasets: see those packages; for evaluation, not for redistribution",
    model=".model:PriceForecast",
    dataset=".data:build_dataset",
    feature_service="price_forecast_v1",
    runtime="onnx",
    task="forecast",
    target="price",
    horizons=("1_day", "5_day", "1_month"),
    outputs=("price", "lower", "upper"),
    coverage=0.9,
    gate=GateSpec(metric="interval_score", alpha=0.05, max_rmse_ratio=1.02, coverage_tolerance=0.03),
    explainer=ExplainerSpec(output="price"),
    drift=DriftSpec(
        columns=(
            "features.price_change",
            "features.volatility_21",
            "features.high_low_pct",
            "features.volume_ratio",
            "features.rsi_14",
            "features.vix",
        )
    ),
    serving=ServingSpec(memory="512Mi"),
    training=TrainingSpec(image="train-tensorflow"),
    slo=SloSpec(p95_ms=200.0, error_rate=0.05),
    # Real one-day forecasts lie between 1.000 and 1.003 of the close; steps of 0.0008 widen the tolerance little.
    rollout=RolloutSpec(output="price", relative_to="features.close", tolerance=0.005, bounds=(0.95, 1.05)),
    disclaimers=(
        "Predictions are probabilistic, not guarantees.",
        "Predictions are for informational purposes only. Not investment advice.",
        "Past performance does not guarantee future results.",
    ),
)
