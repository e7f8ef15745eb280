"""Declaration of the judged test model."""

from components.models.spec import DriftSpec, ExplainerSpec, GateSpec, ModelSpec

SPEC = ModelSpec(
    name="judged",
    title="Judged",
    summary="Variance of a portfolio, judged by its own loss; of generated returns.",
    owner="tests",
    data_licence="generated",
    model=".model:PortfolioVariance",
    dataset=".data:build_dataset",
    judge=".judge:JUDGE",
    source="embedded-stocks",
    runtime="numpy",
    task="regression",
    target="return",
    outputs=("variance",),
    gate=GateSpec(metric="qlike", claims=("level",)),
    explainer=ExplainerSpec(
        kinds=("decomposition", "sensitivity"), output="variance", contributions="contribution", labels="security_id"
    ),
    drift=DriftSpec(columns=("conditions.scale",), detectors=("ks",)),
    disclaimers=("For tests.",),
)
