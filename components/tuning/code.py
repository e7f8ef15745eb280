"""The code that decides a score, as one hash: a study is taken up only where it would score the same."""

from __future__ import annotations

import hashlib
from importlib import import_module
from pathlib import Path

from components.models.spec import ModelSpec

PACKAGES = ("components.training", "components.evaluation", "components.tuning")


def source_hash(spec: ModelSpec) -> str:
    """Return the SHA-256 of the sources of training, evaluation, tuning and the model's own folder.

    A commit would not do: it changes with every document, and does not change with an edit.
    """
    digest = hashlib.sha256()
    for package in (*PACKAGES, spec.package):
        (folder,) = import_module(package).__path__
        for path in sorted(Path(folder).rglob("*.py")):
            digest.update(path.relative_to(folder).as_posix().encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()
