"""What Katib's webhook refuses, checked before an Experiment is sent; its CRD itself checks nothing.

The webhook's answer would come late and terse, and a few mistakes (words that a shell would split, metrics that the
collector cannot match) it would not see at all: the trials would fail one after the other.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from components.errors import ConfigurationError

LONGEST_NAME = 40
NAME = re.compile(r"[a-z]([-a-z0-9]*[a-z0-9])?")
METRIC = re.compile(r"[\w|-]+")
PLACEHOLDER = re.compile(r"\$\{trialParameters\.([^}]*)\}")
SHELL = re.compile(r"[\s'\"$`\\|&;<>()*?\[\]#~!{}]")
ALGORITHMS = frozenset(
    {
        "random",
        "grid",
        "tpe",
        "multivariate-tpe",
        "bayesianoptimization",
        "cmaes",
        "sobol",
        "hyperband",
        "pbt",
        "enas",
        "darts",
    }
)
DEFAULT_PARALLEL = 3
RESUME = ("Never", "LongRunning", "FromVolume")
Record = Mapping[str, Any]


def check(experiment: Record) -> None:
    """Raise if the webhook would refuse the Experiment, or its trials could not work.

    Raises
    ------
    ConfigurationError
        With everything that is wrong.
    """
    found = list(problems(experiment))
    if found:
        name = experiment.get("metadata", {}).get("name", "")
        raise ConfigurationError(f"Katib would refuse the experiment {name!r}: {'; '.join(found)}.", "Correct it.")


def problems(experiment: Record) -> Iterator[str]:
    """Yield what is wrong with an Experiment, in words."""
    spec = experiment.get("spec", {})
    yield from _name(experiment.get("metadata", {}).get("name", ""))
    yield from _objective(spec.get("objective") or {})
    algorithm = (spec.get("algorithm") or {}).get("algorithmName", "")
    if algorithm not in ALGORITHMS:
        yield f"algorithmName {algorithm!r} is none of {', '.join(sorted(ALGORITHMS))}"
    if spec.get("resumePolicy", "Never") not in RESUME:
        yield f"resumePolicy {spec['resumePolicy']!r} is none of {', '.join(RESUME)}"
    yield from _counts(spec)
    yield from _parameters(spec.get("parameters") or [])
    yield from _template(spec.get("trialTemplate") or {}, {p.get("name") for p in spec.get("parameters") or []})


def _name(name: str) -> Iterator[str]:
    if len(name) > LONGEST_NAME:
        yield f"its name has {len(name)} characters, {LONGEST_NAME} are allowed"
    if not NAME.fullmatch(name):
        yield f"its name {name!r} is not lower case letters, digits and hyphens that begin with a letter"


def _objective(objective: Record) -> Iterator[str]:
    if objective.get("type") not in ("minimize", "maximize"):
        yield f"objective.type {objective.get('type')!r} is neither minimize nor maximize"
    metric, others = objective.get("objectiveMetricName", ""), list(objective.get("additionalMetricNames") or [])
    if not metric:
        yield "objective.objectiveMetricName is missing"
    if metric in others:
        yield f"objective.additionalMetricNames repeats {metric!r}"
    for name in filter(None, [metric, *others]):
        if not METRIC.fullmatch(name):
            yield f"the collector does not match the metric name {name!r}; use letters, digits and underscores"


def _counts(spec: Record) -> Iterator[str]:
    trials, failed = spec.get("maxTrialCount"), spec.get("maxFailedTrialCount")
    parallel = spec.get("parallelTrialCount", DEFAULT_PARALLEL)
    if trials is not None and trials < 1:
        yield f"maxTrialCount is {trials}"
    if parallel < 1:
        yield f"parallelTrialCount is {parallel}"
    if failed is not None and failed < 0:
        yield f"maxFailedTrialCount is {failed}"
    if trials is not None and parallel > trials:
        yield f"parallelTrialCount {parallel} exceeds maxTrialCount {trials}"
    if trials is not None and failed is not None and failed > trials:
        yield f"maxFailedTrialCount {failed} exceeds maxTrialCount {trials}"


def _parameters(parameters: list[Record]) -> Iterator[str]:
    if not parameters:
        yield "it has no parameters"
    for parameter in parameters:
        name, kind = parameter.get("name", ""), parameter.get("parameterType")
        space = parameter.get("feasibleSpace") or {}
        if kind in ("double", "int"):
            if not all(isinstance(space.get(end), str) and space[end] for end in ("min", "max")):
                yield f"parameter {name!r} needs min and max, as text"
            if space.get("list"):
                yield f"parameter {name!r} is a number and has a list"
        elif kind in ("categorical", "discrete"):
            if not space.get("list"):
                yield f"parameter {name!r} needs a list"
            yield from (
                f"parameter {name!r} has the value {v!r}, which a shell would split or expand"
                for v in space.get("list") or []
                if SHELL.search(str(v))
            )
            if any(space.get(end) for end in ("min", "max", "step")):
                yield f"parameter {name!r} has a list and bounds"
        else:
            yield f"parameter {name!r} has the type {kind!r}"


def _template(template: Record, names: set[Any]) -> Iterator[str]:
    job = template.get("trialSpec")
    if not template.get("primaryContainerName"):
        yield "trialTemplate.primaryContainerName is missing"
    if (job is None) == (template.get("configMap") is None):
        yield "trialTemplate needs either a trialSpec or a configMap"
    if job is None:
        return
    if {"name", "namespace"} & set(job.get("metadata") or {}):
        yield "trialSpec.metadata has a name or a namespace, which Katib gives"
    given = template.get("trialParameters") or []
    if not given:
        yield "trialTemplate.trialParameters is missing"
    used = set(PLACEHOLDER.findall(json.dumps(job)))
    for parameter in given:
        name, reference = parameter.get("name", ""), parameter.get("reference", "")
        if not name or set("{}") & set(name):
            yield f"the trial parameter {name!r} is no name"
        if reference not in names:
            yield f"the trial parameter {name!r} refers to {reference!r}, which is no parameter"
        if name not in used:
            yield f"the trial parameter {name!r} is not used in the trialSpec"
    for name in sorted(used - {p.get("name") for p in given}):
        yield f"the trialSpec uses ${{trialParameters.{name}}}, which is not declared"
    yield from _containers(job, template.get("primaryContainerName", ""))


def _containers(job: Record, primary: str) -> Iterator[str]:
    pod = (job.get("spec") or {}).get("template") or {}
    containers = {c.get("name"): c for c in (pod.get("spec") or {}).get("containers") or []}
    if primary not in containers:
        yield f"the trialSpec has no container {primary!r}"
        return
    words = [*containers[primary].get("command", []), *containers[primary].get("args", [])]
    if not containers[primary].get("command"):
        yield f"the container {primary!r} has no command, so Katib would ask the image registry for it"
    for word in words:
        if SHELL.search(PLACEHOLDER.sub("0", word)):
            yield f"the word {word!r} has a character that Katib's shell would split or expand"
    if (pod.get("metadata") or {}).get("annotations", {}).get("sidecar.istio.io/inject") != "false":
        yield "the pod lacks the annotation sidecar.istio.io/inject: 'false', without which Istio never lets it end"
