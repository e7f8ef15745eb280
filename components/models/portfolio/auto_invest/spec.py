"""Declaration of the auto-invest strategy optimiser."""

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
    name="auto_invest",
    title="Auto-invest strategy",
    summary=(
        "Users and their holdings are simulated (seed 7), prices are real and of survivors. What a strategy should "
        "hold next and what that may earn: reinforcement learning (PPO) with costs and limits, against equal shares."
    ),
    owner="portfolio-ml",
    data_licence="skfolio.datasets (Yahoo-derived closes): for evaluation, not for redistribution",
    model=".model:AutoInvest",
    dataset=".data:build_dataset",
    judge=".judge:JUDGE",
    source="embedded-stocks",
    runtime="numpy",
    task="regression",
    target="daily_return",
    horizons=("1_month",),
    outputs=("allocation",),
    gate=GateSpec(
        metric="net_monthly_loss",
        must="match",
        claims=("not_worse_than_equal_weight", "cash_conserved", "limits_kept"),
    ),
    explainer=ExplainerSpec(
        output="performance",
        column="annual_return",
        kinds=("decomposition", "sensitivity"),
        contributions="contribution",
        labels="security",
    ),
    # The market's columns are 0 in requests that leave it to the model, so that such traffic would look like drift.
    drift=DriftSpec(columns=("strategy.risk_tolerance", "strategy.max_position_size")),
    serving=ServingSpec(memory="512Mi", max_batch=32),
    training=TrainingSpec(image="train-torch"),
    slo=SloSpec(p95_ms=100.0),
    rollout=RolloutSpec(output="performance", column="annual_return", tolerance=0.01, bounds=(0.0, 0.3)),
    disclaimers=(
        "Predictions are probabilistic, not guarantees.",
        "Predictions are for informational purposes only. Not investment advice.",
        "Past performance does not guarantee future results.",
    ),
)
