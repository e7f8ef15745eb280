"""Declaration of the portfolio optimiser."""

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
    name="portfolio_optimizer",
    title="Portfolio optimiser",
    summary="Weights that lower a portfolio's volatility within limits (minimum variance, HRP, CVaR, Black-Litterman, "
    "equal risk, maximum diversification), the trades that reach them, and whether they pay.",
    owner="portfolio-ml",
    data_licence="skfolio.datasets (Yahoo-derived closes): for evaluation, not for redistribution",
    model=".model:PortfolioOptimizer",
    judge=".judge:JUDGE",
    source="embedded-stocks",
    runtime="skfolio",
    task="regression",
    target="next_returns",
    horizons=("1_month",),
    outputs=("weight",),
    gate=GateSpec(metric="realised_variance", must="beat", claims=("volatility_cut", "constraints_met")),
    explainer=ExplainerSpec(
        output="expected_volatility",
        kinds=("decomposition", "sensitivity"),
        contributions="risk_contribution",
        labels="security_id",
    ),
    drift=DriftSpec(
        columns=("constraints.turnover_limit", "constraints.transaction_cost_bp", "constraints.risk_aversion")
    ),
    # A portfolio takes tens of milliseconds whatever stands beside it: merging calls would only add their times up.
    serving=ServingSpec(memory="1Gi", batching=False, max_batch=16),
    slo=SloSpec(p95_ms=300.0),
    # Expected volatilities of real portfolios of 10 to 20 US large caps lay between 0.06 and 0.43 in 1991-2022.
    rollout=RolloutSpec(output="expected_volatility", tolerance=0.01, bounds=(0.0, 0.6)),
    training=TrainingSpec(image="train-tabular"),
    disclaimers=(
        "Predictions are for informational purposes only. Not investment advice.",
        "Past performance does not guarantee future results.",
        "Predictions are probabilistic, not guarantees.",
    ),
)
