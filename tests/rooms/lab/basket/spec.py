"""Declaration of the basket model."""

from components.models.spec import ExplainerSpec, ModelSpec, ServingSpec

SPEC = ModelSpec(
    name="basket",
    title="Basket",
    summary="Risk of a basket of holdings, by a fixed formula, and what each holding adds to it. For tests.",
    owner="tests",
    data_licence="generated",
    model=".model:Basket",
    runtime="numpy",
    task="regression",
    outputs=("risk",),
    explainer=ExplainerSpec(
        kinds=("decomposition", "sensitivity"), output="risk", contributions="parts", labels="holdings"
    ),
    serving=ServingSpec(max_batch=64),
)
