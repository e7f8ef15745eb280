"""The Job of one Katib trial: the training image's command, locked down, with the spec's resources.

Katib's webhook wraps the command in ``sh -c`` and joins its words with spaces, unquoted; the words are checked for that
in :mod:`components.tuning.katib_rules`. The command is explicit, because Katib would otherwise ask the registry for it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from components.images import image
from components.models.spec import ModelSpec
from components.threads import THREADS

CONTAINER = "trial"
CONFIG_MAP, SECRET = "arthaflow-settings", "arthaflow-s3"
USER = 1000
SCRATCH = "/tmp"
KEEP_S = 86_400
"""Seconds that a finished Job stays for a look at its log; Katib itself would remove it at once, see ``retain``."""


@dataclass(frozen=True)
class Placement:
    """Where an installation lets trials run.

    Attributes
    ----------
    node_selector : mapping of str to str
        Labels of the nodes.
    tolerations : sequence of mapping
        ``key``, ``value`` and ``effect`` of taints that the pods put up with; an empty value or effect means any.
    pull_secrets : sequence of str
        Secrets of the image registry, in the trials' namespace.
    """

    node_selector: Mapping[str, str] = field(default_factory=dict)
    tolerations: Sequence[Mapping[str, str]] = ()
    pull_secrets: Sequence[str] = ()


def trial_job(
    spec: ModelSpec, command: Sequence[str], labels: dict[str, str], placement: Placement | None = None
) -> dict[str, Any]:
    """Return the Job as JSON-ready values, without a name: Katib gives it one.

    Parameters
    ----------
    spec : ModelSpec
        Its ``training`` says image, resources, accelerator and time.
    command : sequence of str
        Words, with Katib's placeholders.
    labels : dict
        Of the pod.
    placement : Placement, optional
        Where it may run.
    """
    from kubernetes import client as k

    place = placement or Placement()

    container = k.V1Container(
        name=CONTAINER,
        image=image(spec.training.image),
        command=list(command),
        env=_environment(),
        env_from=[
            k.V1EnvFromSource(config_map_ref=k.V1ConfigMapEnvSource(name=CONFIG_MAP, optional=True)),
            k.V1EnvFromSource(secret_ref=k.V1SecretEnvSource(name=SECRET, optional=True)),
        ],
        resources=_resources(spec),
        security_context=k.V1SecurityContext(
            allow_privilege_escalation=False,
            read_only_root_filesystem=True,
            capabilities=k.V1Capabilities(drop=["ALL"]),
        ),
        volume_mounts=[k.V1VolumeMount(name="scratch", mount_path=SCRATCH)],
    )
    pod = k.V1PodSpec(
        restart_policy="Never",
        automount_service_account_token=False,
        # Of the whole pod, so that Katib's collector, which comes without a context of its own, is no root either.
        security_context=k.V1PodSecurityContext(
            run_as_non_root=True,
            run_as_user=USER,
            run_as_group=USER,
            fs_group=USER,
            seccomp_profile=k.V1SeccompProfile(type="RuntimeDefault"),
        ),
        containers=[container],
        volumes=[k.V1Volume(name="scratch", empty_dir=k.V1EmptyDirVolumeSource())],
        tolerations=_tolerations(spec, place) or None,
        node_selector=dict(place.node_selector) or None,
        image_pull_secrets=[k.V1LocalObjectReference(name=n) for n in place.pull_secrets] or None,
    )
    metadata = k.V1ObjectMeta(labels=labels, annotations={"sidecar.istio.io/inject": "false"})
    job = k.V1Job(
        api_version="batch/v1",
        kind="Job",
        spec=k.V1JobSpec(
            backoff_limit=0,
            active_deadline_seconds=spec.training.timeout_s,
            ttl_seconds_after_finished=KEEP_S,
            template=k.V1PodTemplateSpec(metadata=metadata, spec=pod),
        ),
    )
    plain: dict[str, Any] = k.ApiClient().sanitize_for_serialization(job)
    return plain


def _environment() -> list[Any]:
    from kubernetes import client as k

    # HOME too: libraries keep caches there, and the root file system is read-only.
    named = {"ARTHAFLOW_HOME": f"{SCRATCH}/arthaflow", "HOME": SCRATCH, "TMPDIR": SCRATCH, "TF_CPP_MIN_LOG_LEVEL": "3"}
    return [k.V1EnvVar(name=n, value=v) for n, v in {**named, **dict.fromkeys(THREADS, "1")}.items()]


def _resources(spec: ModelSpec) -> Any:
    from kubernetes import client as k

    training = spec.training
    asked = {"cpu": training.cpu, "memory": training.memory}
    gpu = {training.accelerator: str(training.accelerators)} if training.accelerator else {}
    return k.V1ResourceRequirements(requests={**asked, **gpu}, limits={"memory": training.memory, **gpu})


def _tolerations(spec: ModelSpec, place: Placement) -> list[Any]:
    from kubernetes import client as k

    # Nodes with an accelerator carry one taint for whole cards and MIG profiles alike.
    vendor = spec.training.accelerator.partition("/")[0]
    own = [{"key": f"{vendor}/gpu", "effect": "NoSchedule"}] if vendor else []
    return [
        k.V1Toleration(
            key=t["key"],
            operator="Equal" if t.get("value") else "Exists",
            value=t.get("value") or None,
            effect=t.get("effect") or None,
        )
        for t in (*own, *place.tolerations)
    ]
