"""ClusterOptions: where the steps of a graph run and whether they may be cached; it fits every kind of graph."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from components.errors import ConfigurationError
from components.models.spec import ModelSpec

VARIABLES = ("NODE_SELECTOR", "ACCELERATOR_SELECTOR", "TOLERATION", "PULL_SECRET")
EFFECTS = ("NoSchedule", "PreferNoSchedule", "NoExecute")
KEY = re.compile(r"^([a-z0-9]([-a-z0-9.]*[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$")
VALUE = re.compile(r"^([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?$")
RESOURCE = re.compile(r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?/[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?$")


@dataclass(frozen=True)
class Toleration:
    """A taint that the steps' pods put up with; an empty value or effect means any."""

    key: str
    value: str = ""
    effect: str = ""


@dataclass(frozen=True)
class ClusterOptions:
    """What an installation adds to a graph when it is compiled.

    Attributes
    ----------
    node_selector : mapping of str to str
        Labels of the nodes for every step.
    accelerator_selector : mapping of str to str
        Further labels for the steps that ask for an accelerator.
    tolerations : tuple of Toleration
        For every step; steps with an accelerator tolerate its own taint anyway.
    pull_secrets : tuple of str
        Secrets of the image registry.
    accelerator : str
        In place of the spec's, for example ``nvidia.com/mig-1g.10gb``.
    caching : bool or None
        For every step; None leaves each step as its graph says.
    """

    node_selector: Mapping[str, str] = field(default_factory=dict)
    accelerator_selector: Mapping[str, str] = field(default_factory=dict)
    tolerations: tuple[Toleration, ...] = ()
    pull_secrets: tuple[str, ...] = ()
    accelerator: str = ""
    caching: bool | None = None

    @classmethod
    def from_environment(cls) -> ClusterOptions:
        """Return what this installation's settings name, as ``arthaflow submit`` reads them: words between spaces."""
        words = {name: os.environ.get(f"ARTHAFLOW_{name}", "").split() for name in VARIABLES}
        return cls(
            node_selector=read_labels(words["NODE_SELECTOR"]),
            accelerator_selector=read_labels(words["ACCELERATOR_SELECTOR"]),
            tolerations=read_tolerations(words["TOLERATION"]),
            pull_secrets=tuple(words["PULL_SECRET"]),
        )

    def spec(self, spec: ModelSpec) -> ModelSpec:
        """Return the model's spec with the accelerator that is asked for.

        Raises
        ------
        ConfigurationError
            If it is no name of a resource.
        """
        if not self.accelerator:
            return spec
        if not RESOURCE.match(self.accelerator):
            raise ConfigurationError(
                f"The accelerator {self.accelerator!r} is no name of a resource.",
                "Write it as a node offers it: nvidia.com/gpu, or nvidia.com/mig-1g.10gb.",
            )
        return replace(spec, training=replace(spec.training, accelerator=self.accelerator))

    def apply(self, graph: Callable[..., Any]) -> Callable[..., Any]:
        """Write the options into a built graph; return it."""
        spec = graph.pipeline_spec  # type: ignore[attr-defined]
        if self.caching is not None:
            for component in (spec.root, *spec.components.values()):
                for task in component.dag.tasks.values():
                    task.caching_options.enable_cache = self.caching
        places = graph.platform_spec.platforms["kubernetes"].deployment_spec.executors  # type: ignore[attr-defined]
        for label, executor in spec.deployment_spec["executors"].items():
            accelerated = "accelerator" in executor["container"]["resources"]
            self._place(places.get_or_create(label), accelerated)
        return graph

    def _place(self, kept: Any, accelerated: bool) -> None:
        from google.protobuf import json_format
        from kfp.kubernetes import kubernetes_executor_config_pb2 as messages

        config = json_format.ParseDict(json_format.MessageToDict(kept), messages.KubernetesExecutorConfig())
        labels = {**self.node_selector, **(self.accelerator_selector if accelerated else {})}
        if labels:
            config.node_selector.labels.update(labels)
        for toleration in self.tolerations:
            config.tolerations.append(
                messages.Toleration(
                    key=toleration.key,
                    operator="Equal" if toleration.value else "Exists",
                    value=toleration.value,
                    effect=toleration.effect,
                )
            )
        for name in self.pull_secrets:
            secret = config.image_pull_secret.add(secret_name=name)
            secret.secret_name_parameter.runtime_value.constant.string_value = name
        kept.Clear()
        kept.update(json_format.MessageToDict(config))


def read_labels(given: Iterable[str]) -> dict[str, str]:
    """Read ``key=value`` pairs.

    Raises
    ------
    ConfigurationError
        If one cannot be a node's label.
    """
    labels: dict[str, str] = {}
    for text in given:
        key, equals, value = text.partition("=")
        if not equals or not KEY.match(key) or not VALUE.match(value):
            raise ConfigurationError(
                f"The node selector {text!r} is no label.", "Write key=value, for example pool=training."
            )
        labels[key] = value
    return labels


def read_tolerations(given: Iterable[str]) -> tuple[Toleration, ...]:
    """Read tolerations as ``kubectl taint`` writes taints: ``key``, ``key=value`` or ``key=value:effect``.

    Raises
    ------
    ConfigurationError
        If one cannot be a taint.
    """
    found = []
    for text in given:
        taint, _, effect = text.partition(":")
        key, _, value = taint.partition("=")
        if not KEY.match(key) or not VALUE.match(value) or (effect and effect not in EFFECTS):
            raise ConfigurationError(
                f"The toleration {text!r} is no taint.",
                f"Write key, key=value or key=value:effect, where the effect is {', '.join(EFFECTS)}.",
            )
        found.append(Toleration(key, value, effect))
    return tuple(found)
