"""Declaration of benchmark model W2."""

from components.models.spec import ModelSpec

SPEC = ModelSpec(
    name="bench_forest",
    title="Benchmark W2: random forest",
    summary="scikit-learn random forest, 200 full trees on 22 features: a number. For the serving benchmark.",
    owner="ml-platform",
    data_licence="generated",
    model=".model:Forest",
    dataset=".data:make_dataset",
    task="regression",
    horizons=("target",),
    outputs=("prediction",),
)
