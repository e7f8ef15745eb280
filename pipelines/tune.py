"""The tuning graph: search the hyper-parameters on the earlier folds, then train, judge and register with the best.

The search step scores the default, in the training image; with ``engine=optuna`` it goes on and runs the whole study.
With ``engine=katib`` the tune step then runs a Katib Experiment, whose trials are pods of their own. What follows is
the training graph, on the one fold that the search has not seen. (Two branches joined again would say the same, but
Kubeflow's local runner cannot join artifacts of branches.)
"""

# mypy: disable-error-code="comparison-overlap"
# ruff: noqa: UP006, UP035, E712  # the annotations and the comparison are Kubeflow's

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, List

from kfp import dsl

from components import tuning_steps as steps
from components.cluster_names import base_name
from components.errors import ConfigurationError
from components.images import image
from components.models.spec import ModelSpec
from components.stages.request import Request
from components.stages.tuning import ENGINES
from components.tuning.katib import Budget
from components.tuning.space import space_of
from pipelines.arguments import training_arguments
from pipelines.placement import fresh, heavy, light, retried
from pipelines.train import Prepared, learn, prepare

EXTRA = ("engine", "trials", "parallel", "timeout_s", "keep_experiment")
PATIENCE_S = 7 * 86_400
"""Deadline of a step that waits for Katib, over all trials; ``timeout_s`` ends it sooner."""


def build_tune(spec: ModelSpec) -> Callable[..., Any]:
    """Return the tuning graph of one model, to be compiled or run locally.

    Raises
    ------
    ConfigurationError
        If the model declares nothing to tune.
    """
    space_of(spec)
    all_horizons, all_candidates = list(spec.horizons), Request(spec.name).candidates()

    @dsl.pipeline(name=f"tune-{base_name(spec.name)}", description=f"Tunes and registers: {spec.title}.")
    def tuning_pipeline(
        model: str = spec.name,
        source: str = spec.source,
        bar: str = "1d",
        until: str = "",
        as_of: str = "",
        horizons: List[str] = all_horizons,
        candidates: List[str] = all_candidates,
        params: str = "{}",
        seed: int = 7,
        policy: str = "gate",
        alias: str = "candidate",
        engine: str = "katib",
        trials: int = 12,
        parallel: int = 2,
        timeout_s: int = 0,
        keep_experiment: bool = True,
        train: bool = True,
    ) -> None:
        run_id = dsl.PIPELINE_JOB_ID_PLACEHOLDER
        asked = {"model": model, "horizons": horizons, "params": params, "seed": seed}
        ended = in_tune_image(fresh(steps.end(model=model, run_id=run_id, engine=engine, train=train)))
        with dsl.ExitHandler(ended, name="tune"):
            data = prepare(asked, source=source, bar=bar, until=until, as_of=as_of, run_id=run_id)
            rows = {"dataset": data.dataset, "folds": data.folds, "lineage": data.lineage}
            budget = {"trials": trials, "timeout_s": timeout_s}
            begun = heavy(steps.search(**asked, **budget, engine=engine, **rows), spec)
            retried(begun, spec.training.timeout_s)
            places = {name: begun.outputs[name] for name in ("inputs", "start")}
            wanted = {**budget, "parallel": parallel, "seed": seed, "keep": keep_experiment}
            done = retried(waiting(steps.tune(model=model, run_id=run_id, **wanted, **places)), PATIENCE_S)
            found = done.outputs["found"]
            told = heavy(steps.conclude(**asked, found=found, folds=data.folds, lineage=data.lineage), spec)
            retried(told, spec.training.timeout_s)
            tuned = {**asked, "params": told.outputs["best"]}
            kept = Prepared(data.bars, data.dataset, told.outputs["kept_folds"], told.outputs["tuned_lineage"])
            # The condition is of use by itself, and the loop needs it: kfp 2.17's local runner hands a loop its item in
            # place of any output of a task beside it, but not of one outside its group.
            with dsl.If(train == True, name="training"):
                learn(spec, tuned, kept, candidates, policy, alias)

    graph: Callable[..., Any] = tuning_pipeline
    return graph


def in_tune_image(task: dsl.PipelineTask) -> dsl.PipelineTask:
    """Give a step the image that has Katib's client."""
    return task.set_container_image(image("tune"))


def waiting(task: dsl.PipelineTask) -> dsl.PipelineTask:
    """Give a step that only waits little, and long."""
    return in_tune_image(light(task, "100m", "512Mi", PATIENCE_S)).set_caching_options(False)


def tuning_arguments(spec: ModelSpec, given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the pipeline's arguments, complete where one follows from another.

    Parameters
    ----------
    spec : ModelSpec
        The model.
    given : mapping
        A training run's arguments (:func:`pipelines.arguments.training_arguments`) and those of :data:`EXTRA`; None
        means the pipeline's default.

    Raises
    ------
    ConfigurationError
        If an argument is unknown or cannot be right, or leaves nothing to tune.
    """
    own = {k: v for k, v in given.items() if k in EXTRA and v is not None}
    arguments = training_arguments(spec, {k: v for k, v in given.items() if k not in EXTRA})
    if own.get("engine", "katib") not in ENGINES:
        raise ConfigurationError(f"engine={own['engine']!r} is unknown.", f"Use {' or '.join(ENGINES)}.")
    Budget(int(own.get("trials", 12)), int(own.get("parallel", 2)))
    if int(own.get("timeout_s", 0)) < 0:
        raise ConfigurationError(f"timeout_s={own['timeout_s']} is negative.", "Use seconds, or 0 for no limit.")
    asked = replace(spec, horizons=tuple(arguments["horizons"]))
    request = Request(spec.name, asked.horizons, arguments["params"], int(arguments.get("seed", 7)))
    space_of(asked).without(request.params())
    return {**arguments, **own}
