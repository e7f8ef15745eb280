"""Declaration of benchmark model W1."""

from components.models.spec import ModelSpec

SPEC = ModelSpec(
    name="bench_trees",
    title="Benchmark W1: XGBoost",
    summary="XGBoost, 300 trees of depth 6 on 30 features: a probability. For the serving benchmark.",
    owner="ml-platform",
    data_licence="generated",
    model=".model:BoostedTrees",
    dataset=".data:make_dataset",
    runtime="xgboost",
    task="classification",
    target="label",
    horizons=("label",),
    outputs=("probability",),
)
