"""Declaration of the volatility forecast."""

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
    name="volatility",
    title="Volatility forecast",
    summary="Realised volatility of a security over the next day, week and month, with conformal intervals and its "
    "place in the volatility cone.",
    owner="markets-ml",
    data_licence="arch.data and skfolio.datasets: see those packages; for evaluation, not for redistribution",
    model=".model:Volatility",
    dataset=".data:build_dataset",
    judge=".judge:JUDGE",
    feature_service="price_forecast_v1",
    runtime="onnx",
    task="forecast",
    target="realised_variance",
    horizons=("1_day", "5_day", "1_month"),
    outputs=("volatility", "lower", "upper"),
    coverage=0.9,
    gate=GateSpec(metric="qlike", must="beat", claims=("dm_garch_1_day", "ewma_1_day", "median_1_day")),
    explainer=ExplainerSpec(output="volatility", column="1_month"),
    drift=DriftSpec(
        columns=(
            "features.volatility_21",
            "features.volatility_ewma",
            "features.garman_klass_21",
            "features.vix",
            "features.dispersion",
            "features.momentum_21",
        )
    ),
    serving=ServingSpec(memory="512Mi"),
    slo=SloSpec(p95_ms=100.0, error_rate=0.05),
    # One-day forecasts of the two indices lie between 4 and 90 % a year; a step is half a point.
    rollout=RolloutSpec(output="volatility", column="1_day", tolerance=1.0, bounds=(2.0, 66.0)),
    training=TrainingSpec(image="train-tabular"),
    disclaimers=(
        "Predictions are probabilistic, not guarantees.",
        "Predictions are for informational purposes only. Not investment advice.",
        "Past performance does not guarantee future results.",
    ),
)
