"""Declaration of the risk assessment."""

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
    name="risk_assessment",
    title="Risk assessment",
    summary=(
        "Value at risk, expected shortfall, drawdowns, probabilities of loss, scenarios and replayed crises of a "
        "portfolio, by filtered historical simulation on GJR-GARCH with a market factor."
    ),
    owner="portfolio-ml",
    data_licence="skfolio.datasets (Yahoo-derived closes): for evaluation, not for redistribution",
    model=".model:RiskAssessment",
    dataset=".data:build_dataset",
    judge=".judge:JUDGE",
    source="embedded-stocks",
    runtime="numpy",
    task="regression",
    target="portfolio_return",
    horizons=("1_day", "1_month"),
    outputs=("portfolio_var_95",),
    gate=GateSpec(
        metric="tick_loss",
        must="match",
        claims=("kupiec_99", "christoffersen_99", "traffic_light", "acerbi_szekely_975"),
    ),
    explainer=ExplainerSpec(
        kinds=("decomposition", "sensitivity"),
        output="portfolio_var_95",
        column="1_month",
        contributions="component_var",
        labels="security_id",
    ),
    drift=DriftSpec(columns=("profile.risk_capacity", "profile.time_horizon", "profile.liquidity_needs")),
    serving=ServingSpec(cpu="1", memory="512Mi", batching=True, max_batch=16),
    slo=SloSpec(p95_ms=150.0),
    rollout=RolloutSpec(output="portfolio_var_95", column="1_month", tolerance=1.0, bounds=(-60.0, 0.0)),
    training=TrainingSpec(image="train-tabular", schedule="0 2 * * *"),
    disclaimers=(
        "Predictions are for informational purposes only. Not investment advice.",
        "Past performance does not guarantee future results.",
        "Predictions are probabilistic, not guarantees.",
    ),
)
