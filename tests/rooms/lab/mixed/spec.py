"""Declaration of the mixed model."""

from components.models.spec import ModelSpec, ServingSpec

SPEC = ModelSpec(
    name="mixed",
    title="Mixed",
    summary="Text, whole numbers, booleans and a grid in; text and numbers out. For tests.",
    owner="tests",
    data_licence="generated",
    model=".model:Mixed",
    runtime="numpy",
    outputs=("score",),
    serving=ServingSpec(max_batch=64),
)
