"""Declaration of the tiny model: a linear return forecast on four features."""

from components.models.spec import DriftSpec, ExplainerSpec, ModelSpec, RolloutSpec, SloSpec

SPEC = ModelSpec(
    name="tiny",
    title="Tiny",
    summary="Price in 1 day and 5 days from four features, by ridge regression. For tests.",
    owner="tests",
    data_licence="generated",
    model=".model:Tiny",
    dataset=".data:build_dataset",
    runtime="numpy",
    target="price",
    horizons=("1_day", "5_day"),
    outputs=("price", "lower", "upper"),
    explainer=ExplainerSpec(output="price", column="1_day"),
    drift=DriftSpec(columns=("features.rsi_14", "features.volatility_21", "features.volume_ratio")),
    slo=SloSpec(p95_ms=200.0, error_rate=0.05),
    rollout=RolloutSpec(
        output="price", column="1_day", relative_to="features.close", tolerance=0.005, bounds=(0.9, 1.1)
    ),
    disclaimers=("Not investment advice.",),
)
