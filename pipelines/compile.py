"""Compile a model's training graph to Kubeflow's IR YAML."""

from __future__ import annotations

from pathlib import Path

from components.catalog import get_spec


def compile_pipeline(model: str, out: Path) -> Path:
    """Compile the training graph of ``model`` to the file ``out``; return it.

    Parameters
    ----------
    model : str
        Name in the catalogue.
    out : Path
        A ``.yaml`` file, or a folder that gets ``train-<model>.yaml``.

    Raises
    ------
    UnknownModel
        If the catalogue has no such model.
    """
    from kfp import compiler

    from pipelines.train import build

    spec = get_spec(model)
    path = out if out.suffix in (".yaml", ".yml") else out / f"train-{spec.name.replace('_', '-')}.yaml"
    path.parent.mkdir(parents=True, exist_ok=True)
    compiler.Compiler().compile(build(spec), str(path))
    return path
