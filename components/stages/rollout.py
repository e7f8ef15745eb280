"""What the steps of the rollout graph do: prepare, step, conclude, and the exit handler's last word."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, TypedDict, cast

from components.catalog import get_spec
from components.errors import ArthaflowError, ConfigurationError, UnknownModel
from components.records.rollouts import following
from components.rollout.cluster import Driver, Mode, Site, lease_of, take_over
from components.rollout.course import Decision, RolloutResult
from components.rollout.interruption import Interrupted
from components.rollout.plan import RolloutPlan, cluster_plan_for
from components.stages.step import say


@dataclass(frozen=True)
class Asked:
    """What a run of the rollout graph was asked for; :func:`prepare` resolves it for the steps that follow.

    Attributes
    ----------
    model, version, artifact : str
        A version's number or alias; the artifact's address is looked up in the registry when empty.
    namespace, mode, prometheus : str
        See :class:`components.rollout.cluster.Site`.
    steps : str
        Percentages with commas, rising to 100.
    soak_s, max_wait_s, drain_s, ready_timeout_s : float
        Seconds.
    on_inconclusive : str
        ``rollback`` or ``hold``.
    """

    model: str
    version: str = "candidate"
    artifact: str = ""
    namespace: str = "arthaflow"
    mode: str = "Standard"
    prometheus: str = ""
    steps: str = "10,50,100"
    soak_s: float = 600.0
    max_wait_s: float = 3600.0
    drain_s: float = 15.0
    ready_timeout_s: float = 900.0
    on_inconclusive: str = "rollback"

    def site(self) -> Site:
        """Return where the model is served."""
        return Site(
            self.model,
            self.namespace,
            cast("Mode", self.mode),
            self.prometheus,
            ready_timeout_s=self.ready_timeout_s,
            drain_s=self.drain_s,
        )

    def plan(self) -> RolloutPlan:
        """Return the plan.

        Raises
        ------
        ConfigurationError
            If it makes no sense.
        """
        if self.on_inconclusive not in ("rollback", "hold"):
            raise ConfigurationError(f"on_inconclusive is {self.on_inconclusive!r}.", "Use rollback or hold.")
        return cluster_plan_for(
            get_spec(self.model),
            steps=percentages(self.steps),
            soak_s=self.soak_s,
            interval_s=max(0.5, min(30.0, self.soak_s / 4)),
            max_wait_s=max(self.soak_s, self.max_wait_s),
            on_inconclusive=cast("Literal['rollback', 'hold']", self.on_inconclusive),
        )


def percentages(text: str) -> tuple[int, ...]:
    """Read ``10,50,100``.

    Raises
    ------
    ConfigurationError
        If a part is no whole number.
    """
    parts = [part.strip() for part in text.split(",")]
    if not all(part.isdigit() for part in parts):
        raise ConfigurationError(f"The rollout's steps are {text!r}.", "Give percentages such as 10,50,100.")
    return tuple(int(part) for part in parts)


def prepare(asked: Asked, run_id: str, longest: int) -> tuple[str, str]:
    """Begin a rollout, or take it up again; return the action and the request of the steps that follow, as JSON.

    Parameters
    ----------
    run_id : str
        Of the pipeline run, which holds the model's lease.
    longest : int
        How many steps the graph has.
    """
    plan = asked.plan()
    if len(plan.steps) > longest:
        raise ConfigurationError(
            f"The rollout has {len(plan.steps)} steps ({asked.steps}), and the graph was built for {longest}.",
            f"Give at most {longest}, or build the graph with more: build_rollout(spec, steps={plan.steps}).",
        )
    version, artifact = locate(asked.model, asked.version, asked.artifact)
    driver = _drive(Asked(**{**asdict(asked), "version": version, "artifact": artifact}), run_id, plan)
    decision = driver.rollout.prepare()
    return decision.action, json.dumps({**asdict(asked), "version": version, "artifact": artifact})


def step(request: str, run_id: str, index: int, before: str, history: Path) -> tuple[str, dict[str, float]]:
    """Give the canary the share of the step ``index`` (from 0), and judge; return the action and the scalars.

    Passes ``before`` through when it is not ``advance``, or when the plan has no such step.
    """
    driver = _attached(request, run_id)
    decision = driver.rollout.attach()
    if decision.action == before == "advance" and index < len(driver.rollout.plan.steps):
        try:
            decision = driver.rollout.step(driver.rollout.plan.steps[index])
        except Interrupted:
            raise
        except ArthaflowError as error:
            decision = driver.rollout.failed(error)
    driver.history.write(history)
    return decision.action, _scalars(driver)


def conclude(request: str, run_id: str, action: str, page: Path, card: Path, history: Path) -> dict[str, float]:
    """Promote, roll back or hold; write the canary's course, the verdict and the history; return the scalars."""
    driver = _attached(request, run_id)
    reason = driver.state.reason
    result = driver.rollout.conclude(Decision(cast("Any", action), reason))
    _reject(result)
    driver.lease.release()
    driver.history.write(history)
    page.write_text(course(driver), encoding="utf-8")
    card.write_text(verdict(result), encoding="utf-8")
    return {**_scalars(driver), "promoted": float(result.outcome == "promoted")}


def finish(asked: Asked, run_id: str, state: str, message: str) -> str:
    """Leave nothing half-done: a run that failed or was cancelled is rolled back, held, or its promotion completed.

    Returns
    -------
    str
        What was found and done, Markdown.
    """
    site = asked.site().connect()
    assert site.kube is not None
    title = f"# Rollout of {asked.model}\n\nRun `{run_id}` ended as {state}.\n\n"
    found = site.memory(site.kube).read()
    if found.run_id != run_id or not found.unfinished:
        lease_of(site, run_id).release()
        return f"{title}{found.reason or 'Nothing was begun.'}\n\nVersion {found.stable} serves.\n"
    if found.phase == "held":
        lease_of(site, run_id).release()
        return f"{title}Held at {found.percent} %: {found.reason}\n"
    driver = take_over(site, "", "", found.plan or asked.plan(), run_id=run_id, **_hooks(asked.model))
    _recorded(driver, asked)
    decision = driver.rollout.attach()
    if decision.action != "advance" or found.canary:
        action: Literal["hold", "rollback"] = "hold" if asked.on_inconclusive == "hold" else "rollback"
        decision = Decision(action, f"The run ended as {state} before a decision. {message}".strip())
        if found.phase == "rolling_back":
            decision = Decision("rollback", found.reason)
    result = driver.rollout.conclude(decision)
    _reject(result)
    driver.lease.release()
    return title + verdict(result)


def locate(model: str, version: str, artifact: str) -> tuple[str, str]:
    """Return the number and the artifact's address of a version by number or alias.

    Raises
    ------
    UnknownModel
        If the registry has no such version.
    """
    from components.registry.versions import Registry

    found = Registry().locate(get_spec(model).name, version)
    if found is None:
        raise UnknownModel(
            f"{model} has no version {version!r} in the registry.", f"`arthaflow models show {model}` lists them."
        )
    return found.version, artifact or found.uri


def course(driver: Driver) -> str:
    """Return the canary's course as an HTML page."""
    from components.evaluation.plots import markup
    from components.evaluation.plots.canary_course import canary_course

    title = f"Rollout of {driver.rollout.target.model}"
    return markup.page(title, f"<h1>{markup.inline(title)}</h1>{canary_course(driver.history.events)}")


def verdict(result: RolloutResult) -> str:
    """Return how a rollout ended, Markdown."""
    words = {"promoted": "was promoted", "rolled_back": "was rolled back", "held": "is held: a person decides"}
    return (
        f"**Version {result.version} of {result.model} {words[result.outcome]}** at {result.step} % of the traffic. "
        f"Version {result.stable_version} serves.\n\n{result.reason}\n"
    )


def _attached(request: str, run_id: str) -> Driver:
    asked = Asked(**json.loads(request))
    return _drive(asked, run_id, asked.plan())


def _drive(asked: Asked, run_id: str, plan: RolloutPlan) -> Driver:
    driver = take_over(asked.site(), asked.version, asked.artifact, plan, run_id=run_id, **_hooks(asked.model))
    _recorded(driver, asked)
    return driver


def _recorded(driver: Driver, asked: Asked) -> None:
    """Let the deployments of this rollout stand in the product's records too."""
    rollout = driver.rollout
    rollout.on_event = following(asked.model, asked.namespace, driver.history.key, rollout.on_event)


class _Hooks(TypedDict):
    on_promote: Callable[[str], None]
    on_event: Callable[[dict[str, Any]], None]


def _hooks(model: str) -> _Hooks:
    def promoted(version: str) -> None:
        from components.registry.versions import PRODUCTION, Registry

        Registry().set_alias(model, PRODUCTION, version)

    def told(event: dict[str, Any]) -> None:
        brief = {k: v for k, v in event.items() if k in ("version", "step", "action", "reason") and v is not None}
        say("rollout", event["event"], model, **{f"about_{k}": v for k, v in brief.items()})

    return {"on_promote": promoted, "on_event": told}


def _reject(result: RolloutResult) -> None:
    if result.outcome == "rolled_back":
        from components.registry.versions import Registry

        Registry().reject(result.model, result.version, result.reason)


def _scalars(driver: Driver) -> dict[str, float]:
    judged = [e for e in driver.history.events if e["event"] == "judged"]
    if not judged:
        return {"judgements": 0.0}
    last = judged[-1]
    return {
        "judgements": float(len(judged)),
        "percent": float(last["step"]),
        "canary_requests": float(last["canary"]["requests"]),
        "canary_errors": float(last["canary"]["errors"]),
    }
