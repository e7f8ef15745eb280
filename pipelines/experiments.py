"""Katib Experiments of every model that can be tuned, as files for ``kubectl create -f``.

They search on the embedded data, so that nothing has to be filled in. The tuning graph makes its own Experiments, on
the data of its run.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from components.catalog import catalogue
from components.cluster_names import base_name
from components.models.spec import ModelSpec
from components.tuning.space import has_space, space_of

HEADER = "# Written by `make manifests` from the model's search space; do not edit.\n"


def write_experiments(folder: Path) -> list[Path]:
    """Write ``<model>.yaml`` for every model with a search space; return the files. Files of others are removed."""
    import yaml

    from pipelines.compile import release_images

    folder.mkdir(parents=True, exist_ok=True)
    written = []
    with release_images():
        for spec in catalogue().values():
            if has_space(spec):
                path = folder / f"{base_name(spec.name)}.yaml"
                path.write_text(HEADER + yaml.safe_dump(standing_experiment(spec), sort_keys=False, width=120))
                written.append(path)
    for stale in set(folder.glob("*.yaml")) - set(written):
        stale.unlink()
    return written


def standing_experiment(spec: ModelSpec) -> dict[str, Any]:
    """Return the Experiment of a model that needs no run: on the embedded data, named after the model."""
    from components.tuning.katib import build_experiment

    return build_experiment(spec, space_of(spec), base_name(spec.name))
