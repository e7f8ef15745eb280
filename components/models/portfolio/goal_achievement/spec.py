"""Declaration of the goal predictor."""

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
    name="goal_achievement",
    title="Goal achievement",
    summary=(
        "How savers pay is simulated (seeded; no public record of it exists), what their portfolios earned is real. "
        "Probability of reaching a savings goal, what would lift it to 95 %, and the milestones on the way."
    ),
    owner="portfolio-ml",
    data_licence="skfolio.datasets (Yahoo-derived closes): for evaluation, not for redistribution",
    model=".model:GoalAchievement",
    dataset=".data:build_dataset",
    judge=".judge:JUDGE",
    source="embedded-stocks",
    runtime="onnx",
    task="classification",
    target="reached",
    horizons=("target_date",),
    outputs=("achievement_probability",),
    gate=GateSpec(metric="brier_score", must="match", claims=("closed_form_agreement", "calibration")),
    explainer=ExplainerSpec(
        output="achievement_probability",
        column="probability",
        kinds=("sensitivity", "permutation_shap", "lime_tabular", "counterfactual", "global_importance"),
    ),
    drift=DriftSpec(
        columns=(
            "goal.months_to_target",
            "goal.monthly_sip",
            "goal.expected_returns",
            "history.consistency_score",
            "assumptions.expected_market_return",
            "assumptions.expected_volatility",
            "assumptions.inflation_rate",
        )
    ),
    # 480 months times 4096 paths of doubles are 16 MB; an answer works on as much again.
    serving=ServingSpec(memory="512Mi", batching=False, max_batch=64),
    slo=SloSpec(p95_ms=100.0),
    training=TrainingSpec(image="train-tabular", schedule="0 3 1 * *"),
    rollout=RolloutSpec(output="achievement_probability", tolerance=0.05, bounds=(0.0, 1.0)),
    disclaimers=(
        "Predictions are for informational purposes only. Not investment advice.",
        "Past performance does not guarantee future results.",
        "Predictions are probabilistic, not guarantees.",
    ),
)
