"""Serve both versions of an experiment: the control takes all traffic, the treatment is a canary at 0 % that is held.

Nobody meets the canary by chance; the gateway sends a user there by the header ``x-model-track``.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from components.errors import ArthaflowError, ConfigurationError
from components.experiments.design import Design
from components.registry.versions import Registry
from components.rollout.course import Decision
from components.rollout.plan import RolloutPlan
from components.rollout.state import RolloutState
from components.rollout.tenancy import EXPERIMENT, CanaryHeld, Tenancy
from inference.gateway.experiments.versions import plain

if TYPE_CHECKING:
    from components.rollout.cluster import Site
    from inference.local import LocalServing


def tenancy_of(serving: LocalServing, model: str) -> Tenancy:
    """Return who has the model's canary on this machine."""
    return Tenancy(serving.home / "rollouts", model)


def serve_both(serving: LocalServing, design: Design, registry: Registry | None = None) -> str:
    """Start the treatment beside the control on this machine; return its version. Again is the same as once.

    Raises
    ------
    ConfigurationError
        If another version than the control serves.
    RolloutBusy, CanaryHeld
        If a rollout or another experiment has the canary.
    """
    from components.rollout.targets.local import LocalTarget

    registry, target = registry or Registry(), LocalTarget(serving, design.model)
    tenancy = tenancy_of(serving, design.model)
    control, wanted = plain(design.versions["control"]), plain(design.versions["treatment"])
    with tenancy.alone(f"experiment {design.name}"):
        held = tenancy.holding
        if held is not None and held.experiment != design.name:
            raise CanaryHeld(
                f"Experiment {held.experiment!r} holds version {held.version} of {design.model} as its canary.",
                f"End it first: `arthaflow experiments end {held.experiment}`.",
            )
        _check_control(design, control, target.stable_version)
        if held is not None and target.canary_version == wanted:
            return wanted
        if target.canary_version:
            if held is None:
                raise CanaryHeld(
                    f"Version {target.canary_version} of {design.model} is a canary already: a rollout did not end.",
                    f"Finish it: `arthaflow rollout start {design.model} --version {target.canary_version}`.",
                )
            target.rollback()
        artifact = str(registry.resolve(design.model, wanted))
        tenancy.hold(design.name, wanted)
        try:
            target.deploy_canary(wanted, artifact)
        except ArthaflowError:
            tenancy.let_go()
            raise
    return wanted


def serve_control(serving: LocalServing, design: Design) -> None:
    """Take the treatment away again; nothing happens where it is gone.

    Raises
    ------
    CanaryHeld
        If another experiment holds the canary.
    """
    from components.rollout.targets.local import LocalTarget

    tenancy = tenancy_of(serving, design.model)
    with tenancy.alone(f"the end of experiment {design.name}"):
        held = tenancy.holding
        if held is None:
            return
        if held.experiment != design.name:
            raise CanaryHeld(
                f"The canary of {design.model} belongs to experiment {held.experiment!r}, not {design.name!r}.",
                f"`arthaflow experiments end {held.experiment}` ends that.",
            )
        LocalTarget(serving, design.model).rollback()
        tenancy.let_go()


def serve_both_on_cluster(site: Site, design: Design, artifact: str = "", registry: Registry | None = None) -> str:
    """The same on KServe: the treatment's InferenceService, and a rule of the route for the header, at weight 0.

    The rollout's own record says that the canary is held, so that no rollout begins meanwhile.

    Raises
    ------
    ConfigurationError
        In Knative mode, which cannot send a request to a revision by a header; if another version serves.
    RolloutBusy, RolloutUnfinished
        If a rollout is under way.
    """
    from components.rollout.cluster import take_over

    if site.mode != "Standard":
        raise ConfigurationError(
            "In Knative mode a request cannot ask for the canary, so that no user can be kept on it.",
            "Install the chart in Standard mode for experiments.",
        )
    control, wanted = plain(design.versions["control"]), plain(design.versions["treatment"])
    if not artifact:
        artifact = (registry or Registry()).get(design.model, wanted).uri
    driver = take_over(site, wanted, artifact, RolloutPlan())
    try:
        state = driver.state
        _check_control(design, control, state.stable)
        if state.reason == EXPERIMENT + design.name and state.phase == "held":
            return wanted
        decision = driver.rollout.prepare()
        if decision.action == "rollback":
            driver.rollout.conclude(decision)
            raise ConfigurationError(decision.reason, "Nothing was changed; correct the version and start again.")
        driver.rollout.memory.update(lambda s: _held(s, design.name))
        driver.rollout.tell("held", step=0, reason=EXPERIMENT + design.name)
    finally:
        driver.lease.release()
    return wanted


def serve_control_on_cluster(site: Site, design: Design) -> None:
    """Take the treatment away again on KServe; the registry does not call it rejected for that.

    Raises
    ------
    CanaryHeld
        If the canary belongs to somebody else.
    """
    from components.rollout.cluster import take_over

    site = site.connect()
    assert site.kube is not None
    state = site.memory(site.kube).read()
    if not state.unfinished:
        return
    if state.reason != EXPERIMENT + design.name:
        raise CanaryHeld(
            f"The canary of {design.model} is {state.phase} for another reason: {state.reason or 'a rollout'}.",
            f"See `arthaflow rollout status {design.model}`.",
        )
    driver = take_over(site, "", "", RolloutPlan())
    try:
        driver.rollout.conclude(Decision("rollback", f"Experiment {design.name} ended."))
    finally:
        driver.lease.release()


def _held(state: RolloutState, experiment: str) -> RolloutState:
    return replace(state, phase="held", percent=0, reason=EXPERIMENT + experiment)


def _check_control(design: Design, control: str, stable: str) -> None:
    if plain(stable) != control:
        raise ConfigurationError(
            f"Version {stable or 'none'} of {design.model} serves, and the control of {design.name} is {control}.",
            f"Serve version {control} first, or make an experiment against version {stable or '...'}.",
        )
