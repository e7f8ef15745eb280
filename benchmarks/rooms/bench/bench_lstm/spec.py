"""Declaration of benchmark model W3."""

from components.models.spec import ModelSpec, ServingSpec

SPEC = ModelSpec(
    name="bench_lstm",
    title="Benchmark W3: LSTM with attention",
    summary="LSTM of 64 units with attention over 60 steps of 16 channels: a number. For the serving benchmark.",
    owner="ml-platform",
    data_licence="generated",
    model=".model:Forecaster",
    dataset=".data:make_dataset",
    task="regression",
    horizons=("target",),
    outputs=("prediction",),
    # 256 rows of 60 steps leave the cache: they take a fifth longer per row than 64.
    serving=ServingSpec(max_batch=64),
)
