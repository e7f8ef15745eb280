"""Roll a registered version out, on this machine or on KServe, and keep the registry's aliases in step."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from components.errors import ConfigurationError
from components.records.rollouts import at_home, following
from components.registry.versions import PRODUCTION, Registry
from components.rollout.engine import Decision, RolloutResult, drive, run_rollout
from components.rollout.history import History
from components.rollout.plan import RolloutPlan, cluster_plan_for, plan_for
from components.rollout.tenancy import Tenancy
from pipelines.stack import Stack

if TYPE_CHECKING:
    from components.models.spec import ModelSpec
    from components.rollout.cluster import Site


def roll_out(
    stack: Stack, version: str, *, tell: Callable[[dict[str, Any]], None] | None = None, **plan: Any
) -> RolloutResult:
    """Canary a version behind the running router.

    Parameters
    ----------
    stack : Stack
        The running servers.
    version : str
        A version number or alias.
    tell : callable
        Told of every event.
    **plan
        What differs from the default :class:`~components.rollout.plan.RolloutPlan`.

    Raises
    ------
    UnknownModel
        If there is no such version.
    ModelUnavailable
        If the model is not being served.
    RolloutBusy
        If another rollout of the model runs, or an experiment holds its canary.
    """
    registry = Registry()
    name = stack.spec.name
    number = registry.get(name, version).version
    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%S")
    history = History(stack.serving.home / "rollouts" / f"{name}-{number}-{stamp}.jsonl")
    with Tenancy(stack.serving.home / "rollouts", name).rolling(number):
        result = run_rollout(
            stack.target,
            plan_for(stack.spec, **plan),
            version=number,
            artifact=str(registry.resolve(name, number)),
            history=history,
            on_promote=lambda promoted: registry.set_alias(name, PRODUCTION, promoted),
            on_event=following(name, "local", history.path.stem, tell, at_home(stack.serving.home)),
        )
    if result.outcome == "rolled_back":
        registry.reject(name, number, result.reason)
    return result


def roll_out_on_cluster(
    site: Site,
    spec: ModelSpec,
    version: str,
    artifact: str = "",
    *,
    tell: Callable[[dict[str, Any]], None] | None = None,
    **plan: Any,
) -> RolloutResult:
    """Canary a version on KServe, driven by this process; the same call continues a rollout that was cut short.

    Parameters
    ----------
    site : Site
        Where the model is served.
    version, artifact : str
        A version number or alias; the artifact's address is the registry's when empty.
    tell : callable
        Told of every event.
    **plan
        What differs from the default plan.

    Raises
    ------
    RolloutBusy, RolloutUnfinished
        If another rollout of the model is under way.
    """
    from components.rollout.cluster import take_over

    registry = Registry()
    found = registry.get(spec.name, version)
    driver = take_over(
        site,
        found.version,
        artifact or found.uri,
        cluster_plan_for(spec, **plan),
        on_promote=lambda promoted: registry.set_alias(spec.name, PRODUCTION, promoted),
        on_event=tell,
    )
    driver.rollout.on_event = following(spec.name, site.namespace, driver.history.key, tell)
    try:
        result = drive(driver.rollout)
    finally:
        driver.lease.release()
    if result.outcome == "rolled_back":
        registry.reject(spec.name, found.version, result.reason)
    return result


def abort_on_cluster(site: Site, *, tell: Callable[[dict[str, Any]], None] | None = None) -> RolloutResult:
    """Take an unfinished rollout back, whoever drives it.

    Raises
    ------
    ConfigurationError
        If none is unfinished, or the version serves already.
    """
    from components.rollout.cluster import take_over

    site = site.connect()
    assert site.kube is not None
    state = site.memory(site.kube).read()
    if not state.unfinished:
        raise ConfigurationError(
            f"No rollout of {site.model} is unfinished; version {state.stable} serves.",
            "There is nothing to take back.",
        )
    if not state.canary:
        raise ConfigurationError(
            f"Version {state.stable} of {site.model} is promoted already; only the old version is still there.",
            f"Finish it: `arthaflow rollout start {site.model} --version {state.stable} --target kserve`; then roll "
            "the other one out.",
        )
    driver = take_over(site, "", "", state.plan or RolloutPlan(), on_event=tell, force=True)
    driver.rollout.on_event = following(site.model, site.namespace, driver.history.key, tell)
    try:
        result = driver.rollout.conclude(Decision("rollback", "Taken back by `arthaflow rollout abort`."))
    finally:
        driver.lease.release()
    Registry().reject(site.model, state.canary, result.reason)
    return result


def cluster_status(site: Site) -> dict[str, str]:
    """Return what serves, how far a rollout is, and who drives it, as words by name."""
    from components.rollout.targets.lease import lease_holder
    from components.rollout.targets.routes import shares

    site = site.connect()
    assert site.kube is not None
    assert site.clock is not None
    state = site.memory(site.kube).read()
    holder, until = lease_holder(site.kube, site.base)
    route = site.kube.get("HTTPRoute", site.base) if site.mode == "Standard" else None
    told = {
        "stable": f"version {state.stable}, {state.stable_artifact}",
        "canary": f"version {state.canary} at {state.percent} %, {state.canary_artifact}" if state.canary else "-",
        "phase": state.phase.replace("_", " "),
        "reason": state.reason or "-",
        "driven by": holder + (" (its lease has ended)" if until <= site.clock.now() else "") if holder else "-",
        "history": state.history or "-",
    }
    if route is not None:
        told["route"] = ", ".join(f"{name} {weight} %" for name, weight in shares(route).items())
    return told
