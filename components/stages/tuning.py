"""The tuning half of the tuning graph: score the default and search, here or on Katib, then conclude."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from components.errors import ConfigurationError
from components.models.spec import ModelSpec
from components.registry.lineage import Lineage
from components.registry.lineage import run_id as run_id_of
from components.settings import settings
from components.stages.ending import meaning
from components.stages.request import Request
from components.stages.step import say
from components.tuning.katib import Budget
from components.tuning.katib_job import Placement
from components.tuning.launch import Patience
from components.tuning.result import Search, Trial, summary
from components.tuning.space import Space
from components.tuning.study import Found

ENGINES = ("katib", "optuna")
LONGEST = 10_000
"""Characters of a parameter that Kubeflow Pipelines passes on."""


def search(
    request: Request,
    engine: str,
    trials: int,
    timeout_s: float,
    dataset: Path,
    folds: Path,
    lineage: Path,
    inputs: Path,
    found: Path,
) -> dict[str, float]:
    """Score the default; with ``optuna``, search too; write both, and what trials on a cluster need.

    A study is kept below ``ARTHAFLOW_HOME``: the same search asked again goes on where it was.

    Raises
    ------
    ConfigurationError
        If the engine is unknown, nothing is left to tune, or the default cannot be scored.
    """
    from components.registry.artifact import sha256
    from components.tuning.code import source_hash
    from components.tuning.inputs import read_inputs, write_inputs
    from components.tuning.objective import metric_name
    from components.tuning.study import run_study, study_path

    if engine not in ENGINES:
        raise ConfigurationError(f"engine={engine!r} is unknown.", f"Use {' or '.join(ENGINES)}.")
    write_inputs(request.spec(), dataset, folds, request.params(), inputs)
    objective = read_inputs(request.model, str(inputs)).objective(request.seed)
    spec, origin, space = request.spec(), Lineage.read(lineage), objective.space.to_dict()
    facts = {
        "model": spec.name,
        "space": space,
        "fixed": request.params(),
        "metric": metric_name(spec),
        "data": [sha256(dataset), sha256(folds)],
        "code": [source_hash(spec), origin.libraries],
        "seed": request.seed,
    }
    path, teller, wanted = study_path(settings().root, facts), _Teller(trials), trials if engine == "optuna" else 0
    told = run_study(objective, objective.space, path, wanted, request.seed, timeout_s, teller.trial)
    notes = {"study": str(path), "taken_up": teller.taken_up} if wanted else {}
    result = Search(spec.name, metric_name(spec), engine, space, told[0], told[1 : wanted + 1], notes)
    result.write(found)
    return _counts(result)


def tune(
    model: str,
    run_id: str,
    inputs: Path,
    start: Path,
    trials: int,
    parallel: int,
    seed: int,
    timeout_s: float,
    keep: bool,
    found: Path,
    poll_s: float = 10.0,
) -> dict[str, float]:
    """Search with a Katib Experiment, and write what it found; a search that is complete is passed on.

    Raises
    ------
    ConfigurationError
        If the trials could not read the artifact store, or the cluster refuses the Experiment.
    TuningFailed
        If the Experiment does not come to a good end.
    """
    before = Search.read(start)
    result = (
        before
        if before.engine == "optuna"
        else _on_katib(before, model, run_id, inputs, Budget(trials, parallel, seed), Patience(timeout_s, poll_s), keep)
    )
    result.write(found)
    return _counts(result)


def _on_katib(
    start: Search, model: str, run_id: str, inputs: Path, budget: Budget, patience: Patience, keep: bool
) -> Search:
    from components.catalog import get_spec
    from components.tuning.experiments_api import ExperimentApi
    from components.tuning.inputs import upload
    from components.tuning.katib import build_experiment, experiment_name
    from components.tuning.launch import run_experiment
    from components.tuning.objective import block_names
    from components.tuning.status import read_best, read_trials

    store = settings().store_uri
    if not store.startswith("s3://"):
        raise ConfigurationError(
            f"Katib's trials run in pods that cannot read the artifact store {store}.",
            "Set ARTHAFLOW_ARTIFACT_STORE=s3://bucket/prefix, or tune on this machine with --engine optuna.",
        )
    space, blocks = Space.from_dict(start.space), block_names(len(start.default.blocks))
    name, place, api = experiment_name(model, run_id_of(run_id)), upload(inputs), ExperimentApi()
    experiment = build_experiment(
        get_spec(model), space, name, place, budget, len(blocks), placement=_placement(get_spec(model))
    )
    done = run_experiment(experiment, api, patience, lambda told: say("note", "tune", text=f"{name}: {told}"))
    trials = read_trials(api.trials(name), space, start.metric, blocks)
    if not keep:
        api.delete(name)
    notes = {"experiment": name, "namespace": api.namespace, "inputs": place, **read_best(done, space)}
    return replace(start, trials=trials, notes=notes)


def conclude(
    request: Request,
    found: Path,
    folds: Path,
    lineage: Path,
    kept_folds: Path,
    tuned_lineage: Path,
    page: Path,
    told: Path,
) -> str:
    """Judge what the search found; return the hyper-parameters to train with, as JSON.

    Writes the folds that are kept for the gate, the lineage with how the hyper-parameters were chosen, a page, and the
    facts as JSON.

    Raises
    ------
    ConfigurationError
        If no trial was scored, or the hyper-parameters are too long for a parameter of the pipeline.
    """
    from components.evaluation.splits import Folds
    from components.tuning.folds import judging_folds
    from components.tuning.page import tuning_page

    search = Search.read(found)
    facts = summary(search)
    given = json.loads(request.overrides or "{}")
    params = {**given, **(facts["best_params"] if facts["best_trial"] else {})}
    text = json.dumps(params, sort_keys=True)
    if len(text) >= LONGEST:
        raise ConfigurationError(
            f"The best hyper-parameters of {request.model} take {len(text)} characters.",
            f"Kubeflow passes {LONGEST} on: search fewer or shorter ones.",
        )
    judging_folds(Folds.read(folds)).write(kept_folds)
    tuned = replace(request, overrides=text)
    origin = replace(Lineage.read(lineage), params=json.dumps(tuned.params(), sort_keys=True), tuning=json.dumps(facts))
    origin.write(tuned_lineage)
    page.write_text(tuning_page(search, request.spec().title), encoding="utf-8")
    told.write_text(json.dumps({**facts, "notes": dict(search.notes)}, indent=1) + "\n", encoding="utf-8")
    return text


def figures(told: Path) -> dict[str, float]:
    """Return the scalars of a tuning run's facts."""
    from components.stages.learning import numbers

    facts: Mapping[str, Any] = json.loads(told.read_text(encoding="utf-8"))
    return numbers({**facts, "survives": int(facts["survives"]), "notes": {}})


def clean_up(model: str, run_id: str, state: str, engine: str) -> str:
    """Delete the Experiment of a run that did not end well; return what was done, empty for nothing.

    Where the backend does not tell how the run ended, an Experiment that is over stays.
    """
    ended = meaning(state)
    if ended == "well" or engine != "katib":
        return ""
    from components.errors import ArthaflowError
    from components.tuning.experiments_api import ExperimentApi
    from components.tuning.katib import experiment_name
    from components.tuning.status import condition

    name, api = experiment_name(model, run_id_of(run_id)), ExperimentApi(outage_s=60.0)
    try:
        if ended == "untold":
            found = api.get(name)
            if found is None or condition(found, "Succeeded") or condition(found, "Failed"):
                return ""
        api.delete(name)
    except ArthaflowError as error:
        # The run's own problem must not be hidden by a second one.
        return f"\nThe experiment {name} may still run: {error}\n"
    return f"\nThe experiment {name}, if it was there, is deleted with its trials.\n"


def _placement(spec: ModelSpec) -> Placement:
    """Return where this installation lets steps run: its trials run there too."""
    from pipelines.cluster_options import ClusterOptions

    options = ClusterOptions.from_environment()
    labels = {**options.node_selector, **(options.accelerator_selector if spec.training.accelerator else {})}
    return Placement(labels, [asdict(t) for t in options.tolerations], options.pull_secrets)


class _Teller:
    """Says each trial in the step's log."""

    def __init__(self, trials: int) -> None:
        self.trials, self.best, self.taken_up = trials, float("inf"), 0

    def trial(self, trial: Trial, news: Found = "new") -> None:
        self.taken_up += news == "kept"
        self.best = min(self.best, trial.score if trial.score is not None else self.best)
        name = "default" if trial.number == 0 else f"trial {trial.number} of {self.trials}"
        score = f"{trial.score:.5g}" if trial.score is not None else f"failed: {trial.problem}"
        how = ", from an earlier run" if news == "kept" else ""
        say("note", "tune", text=f"{name}: {score} (best {self.best:.5g}{how})")


def _counts(search: Search) -> dict[str, float]:
    return {
        "trials": float(len(search.trials)),
        "scored": float(len(search.scored)),
        "default_score": float(search.default.score or 0.0),
        "best_score": float(search.best.score or 0.0),
    }
