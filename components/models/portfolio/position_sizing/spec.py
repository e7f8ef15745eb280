"""Declaration of position sizing."""

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
    name="position_sizing",
    title="Position sizing",
    summary="Learned on simulated accounts over real prices: how much of a portfolio to put into a security so that "
    "its risk meets a target, with stop loss and take profit.",
    owner="portfolio-ml",
    data_licence="skfolio.datasets (Yahoo-derived closes): for evaluation, not for redistribution",
    model=".model:PositionSizing",
    dataset=".data:build_dataset",
    judge=".judge:JUDGE",
    source="embedded-stocks",
    runtime="numpy",
    task="regression",
    target="realised_volatility",
    horizons=("1_month",),
    outputs=("recommended_position",),
    gate=GateSpec(metric="squared_log_risk_ratio", must="beat", claims=("risk_on_target", "stated_risk")),
    explainer=ExplainerSpec(output="recommended_position", kinds=("sensitivity", "kernel_shap", "permutation_shap")),
    drift=DriftSpec(columns=("account.vix", "account.market_trend", "account.sector_rotation")),
    serving=ServingSpec(memory="256Mi", max_batch=64),
    training=TrainingSpec(image="train-tabular"),
    slo=SloSpec(p95_ms=50.0),
    rollout=RolloutSpec(output="recommended_position", tolerance=1.0, bounds=(0.0, 100.0)),
    disclaimers=(
        "Predictions are probabilistic, not guarantees.",
        "Predictions are for informational purposes only. Not investment advice.",
        "Past performance does not guarantee future results.",
    ),
)
