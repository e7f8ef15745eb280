"""Declaration of the portfolio health score."""

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
    name="portfolio_health",
    title="Portfolio health",
    summary=(
        "Labels come from a simulator: a rubric with nine simulated raters rates simulated portfolios on real prices. "
        "Health of a portfolio from 0 to 100, its components, and what would raise it."
    ),
    owner="portfolio-ml",
    data_licence="skfolio.datasets (Yahoo-derived closes): for evaluation, not for redistribution",
    model=".model:PortfolioHealth",
    dataset=".data:build_dataset",
    judge=".judge:JUDGE",
    source="embedded-stocks",
    runtime="onnx",
    task="regression",
    target="rating",
    horizons=(
        "health_score",
        "diversification_score",
        "risk_management_score",
        "performance_score",
        "cost_efficiency_score",
    ),
    outputs=("health_score", "lower", "upper"),
    coverage=0.9,
    gate=GateSpec(metric="squared_error", must="beat", claims=("r2", "monotone", "coverage", "calibration")),
    explainer=ExplainerSpec(output="health_score"),
    drift=DriftSpec(
        columns=(
            "features.total_value",
            "features.num_holdings",
            "features.sector_concentration_1",
            "features.equity_percent",
            "features.cash_percent",
            "features.sharpe_ratio",
            "features.max_drawdown",
            "features.volatility",
            "features.herfindahl_index",
            "features.returns_1y",
        )
    ),
    serving=ServingSpec(memory="384Mi", max_batch=128),
    slo=SloSpec(p95_ms=20.0),
    # Scores of simulated portfolios lie between 20 and 92; a step is 0.62 points.
    rollout=RolloutSpec(output="health_score", tolerance=1.0, bounds=(15.0, 95.0)),
    training=TrainingSpec(image="train-torch"),
    disclaimers=(
        "Predictions are for informational purposes only. Not investment advice.",
        "Past performance does not guarantee future results.",
        "Predictions are probabilistic, not guarantees.",
    ),
)
