"""Compile a model's graphs to Kubeflow's IR YAML."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

from components.catalog import catalogue, get_spec
from components.cluster_names import base_name
from components.errors import ConfigurationError
from components.models.spec import ModelSpec
from components.settings import settings
from pipelines.cluster_options import ClusterOptions

Graph = Callable[..., Any]
BUILDERS = {
    "train": "pipelines.train:build",
    "tune": "pipelines.tune:build_tune",
    "drift": "pipelines.drift:build_drift",
    "rollout": "pipelines.rollout_graph:build_rollout",
}
IMAGES = ("ARTHAFLOW_IMAGE_REGISTRY", "ARTHAFLOW_IMAGE_TAG")


def graph_builder(kind: str) -> Callable[[ModelSpec], Graph]:
    """Return the function that builds one kind of graph from a model's spec.

    Raises
    ------
    ConfigurationError
        If there is no such kind.
    """
    if kind not in BUILDERS:
        raise ConfigurationError(f"There is no graph {kind!r}.", f"Use one of {', '.join(BUILDERS)}.")
    module, _, name = BUILDERS[kind].partition(":")
    builder: Callable[[ModelSpec], Graph] = getattr(import_module(module), name)
    return builder


def file_name(kind: str, spec: ModelSpec) -> str:
    """Return the name of a compiled graph: ``<kind>-<model>.yaml``."""
    return f"{kind}-{base_name(spec.name)}.yaml"


def compile_pipeline(model: str, out: Path, kind: str = "train", options: ClusterOptions | None = None) -> Path:
    """Compile a graph of ``model`` to the file ``out``; return it.

    Parameters
    ----------
    model : str
        Name in the catalogue.
    out : Path
        A ``.yaml`` file, or a folder that gets ``<kind>-<model>.yaml``.
    kind : str
        ``train``, ``tune``, ``drift`` or ``rollout``.
    options : ClusterOptions, optional
        Where the steps run.

    Raises
    ------
    UnknownModel
        If the catalogue has no such model.
    ConfigurationError
        If there is no such graph, or the model cannot have it.
    """
    spec, chosen = get_spec(model), options or ClusterOptions()
    path = out if out.suffix in (".yaml", ".yml") else out / file_name(kind, spec)
    return write(chosen.apply(graph_builder(kind)(chosen.spec(spec))), path)


def write(graph: Graph, path: Path) -> Path:
    """Write a built graph to a file, making its folder; return it."""
    from kfp import compiler

    path.parent.mkdir(parents=True, exist_ok=True)
    compiler.Compiler().compile(graph, str(path))
    return path


def write_compiled(folder: Path) -> list[Path]:
    """Compile every graph of every model in the catalogue into ``folder``; return the files.

    The images are this release's, whatever registry this machine's settings name, so that the files are the same
    wherever they are written. Files of graphs that are no more are removed.
    """
    with release_images():
        built = [(kind, spec, _built(kind, spec)) for spec in catalogue().values() for kind in BUILDERS]
        written = [
            write(ClusterOptions().apply(graph), folder / file_name(kind, spec))
            for kind, spec, graph in built
            if graph is not None
        ]
    for stale in set(folder.glob("*.yaml")) - set(written):
        stale.unlink()
    return written


def can_build(kind: str, spec: ModelSpec) -> bool:
    """Whether a model has a graph of this kind: one without a search space cannot be tuned."""
    return _built(kind, spec) is not None


def _built(kind: str, spec: ModelSpec) -> Graph | None:
    try:
        return graph_builder(kind)(spec)
    except ConfigurationError:
        return None


@contextmanager
def release_images() -> Iterator[None]:
    """Name this release's images, whatever registry this machine's settings name."""
    kept = {name: os.environ.pop(name) for name in IMAGES if name in os.environ}
    settings.cache_clear()
    try:
        yield
    finally:
        os.environ.update(kept)
        settings.cache_clear()
