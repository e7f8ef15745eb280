"""The rollback drill: train a version that is wrong on purpose, and register it past the gate.

The mistake is a real one: the target prices of the training set miss a corporate action, so that every one of them is
a tenth too high. The version learns it faithfully, and its golden requests pass; only its answers are wrong. The gate
would refuse it, so the drill says in the registry that it forced it through.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

from components.data.dataset import Dataset
from components.evaluation.splits import Folds
from components.models.spec import ModelSpec
from components.registry.lineage import PREFIX
from components.registry.versions import CANDIDATE, Registry, Version
from components.training import assemble, train_candidate

FACTOR = 1.1
REASON = f"Forced past the gate for the rollback drill: its training targets were {FACTOR - 1:.0%} too high."


def plant_bad_version(spec: ModelSpec, dataset: Path, folds: Path, candidates: tuple[str, ...], key: str) -> Version:
    """Train on unadjusted targets and register the result as the next candidate.

    Parameters
    ----------
    spec : ModelSpec
        A model whose targets are prices.
    dataset, folds : Path
        Of a training run (``split/dataset``, ``split/folds``); left as they are.
    candidates : tuple of str
        Which candidates to train; cheap ones do.
    key : str
        Where the artifact goes in the store, below the model's name.
    """
    data, split = Dataset.read(dataset), Folds.read(folds)
    wrong = replace(data, targets={name: values * FACTOR for name, values in data.targets.items()})
    only_final = replace(split, folds=split.folds[-1:])
    params = {"members": candidates, "blend_shrinkage": 0.0}
    with TemporaryDirectory() as scratch:
        trained = {name: Path(scratch, name) for name in candidates}
        for name, out in trained.items():
            train_candidate(spec, name, wrong, only_final, out, params)
        artifact = Path(scratch, "artifact")
        assemble(spec, wrong, only_final, trained, params, {"drill": REASON}, artifact)
        tags = {f"{PREFIX}verdict": "forced", f"{PREFIX}reason": REASON}
        return Registry().register(
            spec.name,
            artifact,
            key=key,
            tags=tags,
            params={"members": ",".join(candidates)},
            metrics={},
            alias=CANDIDATE,
        )
