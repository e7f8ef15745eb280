"""Declaration of the market regime."""

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
    name="market_regime",
    title="Market regime",
    summary="Bull, sideways or bear market: filtered (never smoothed) probabilities of a hidden Markov model, "
    "calibrated to the ex-post dating of 20 % swings.",
    owner="markets-ml",
    data_licence="arch.data: see that package; for evaluation, not for redistribution",
    model=".model:MarketRegime",
    dataset=".data:build_dataset",
    judge=".judge:JUDGE",
    source="embedded",
    feature_service="price_forecast_v1",
    runtime="numpy",
    task="classification",
    target="regime",
    horizons=("bull", "sideways", "bear"),
    outputs=("probabilities",),
    gate=GateSpec(metric="log_loss", must="match", claims=("volatility_ratio",)),
    explainer=ExplainerSpec(output="probabilities", column="bear"),
    drift=DriftSpec(columns=("features.volatility_ewma", "features.garman_klass_21")),
    serving=ServingSpec(memory="256Mi"),
    training=TrainingSpec(image="train-tabular"),
    slo=SloSpec(p95_ms=50.0),
    rollout=RolloutSpec(output="probabilities", column="bear", tolerance=0.05, bounds=(0.0, 1.0)),
    disclaimers=(
        "Predictions are probabilistic, not guarantees.",
        "Predictions are for informational purposes only. Not investment advice.",
        "Past performance does not guarantee future results.",
    ),
)
