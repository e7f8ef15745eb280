"""Which model an experiment is about, and how its versions are called there: ``v2`` and ``2`` are the same version."""

from __future__ import annotations

import uuid
from collections.abc import Mapping

from sqlalchemy import Connection, select

from components.errors import InvalidRequest, UnknownModel
from components.records.tables import ml_models
from inference.gateway.experiments.payloads import ExperimentRequest

Ids = dict[str, uuid.UUID | None]


def plain(version: str) -> str:
    """Return a version without the ``v`` before its number.

    Examples
    --------
    >>> plain("v1.8.0"), plain("2"), plain("vega")
    ('1.8.0', '2', 'vega')
    """
    return version[1:] if version[:1] in "vV" and version[1:2].isdigit() else version


def spellings(version: str) -> set[str]:
    """Return the ways in which a server may call a version."""
    return {version, plain(version), f"v{plain(version)}"}


def settle(connection: Connection, asked: ExperimentRequest) -> tuple[str, dict[str, str], Ids]:
    """Return the model, the version of each variant, and their ids in ml_models where they are known.

    Raises
    ------
    UnknownModel
        If a version is not registered, or no model can be told.
    InvalidRequest
        If both variants are one version, or of two models, or if several models have these versions.
    """
    if asked.variants is None:
        model, versions, ids = _by_ids(connection, asked)
    else:
        wanted = {v: asked.variants[v].model_version for v in ("control", "treatment")}
        model = asked.model or _model_with(connection, asked.name, wanted)
        versions, ids = _known(connection, model, wanted)
    if plain(versions["control"]) == plain(versions["treatment"]):
        raise InvalidRequest(
            f"both variants are version {versions['control']!r}.", "Compare two versions.", "variants.treatment"
        )
    return model, versions, ids


def _by_ids(connection: Connection, asked: ExperimentRequest) -> tuple[str, dict[str, str], Ids]:
    found = {}
    for variant, text in (("control", asked.control_model_id), ("treatment", asked.treatment_model_id)):
        try:
            number = uuid.UUID(str(text))
        except ValueError as error:
            raise InvalidRequest(f"{text!r} is no UUID.", "Give an id of ml_models.", f"{variant}_model_id") from error
        row = connection.execute(select(ml_models).where(ml_models.c.id == number)).mappings().first()
        if row is None:
            raise UnknownModel(f"No model has the id {number}.", "See GET /api/v1/ml/models.")
        found[variant] = row
    names = {row["model_name"] for row in found.values()}
    if len(names) > 1 or (asked.model and asked.model not in names):
        told = ", ".join(sorted(names))
        raise InvalidRequest(f"the versions are of {told}.", "Compare two versions of one model.", "treatment_model_id")
    versions = {variant: str(row["model_version"]) for variant, row in found.items()}
    return names.pop(), versions, {variant: row["id"] for variant, row in found.items()}


def _model_with(connection: Connection, name: str, wanted: Mapping[str, str]) -> str:
    """Document 0's payload names no model: it is the one that has both versions."""
    rows = connection.execute(select(ml_models.c.model_name, ml_models.c.model_version)).all()
    have: dict[str, set[str]] = {}
    for model, version in rows:
        have.setdefault(model, set()).add(plain(version))
    versions = {plain(v) for v in wanted.values()}
    able = sorted(model for model, known in have.items() if versions <= known)
    told = " and ".join(wanted.values())
    if not able:
        raise UnknownModel(f"No registered model has the versions {told}.", 'Name the model: "model": "...".')
    if len(able) > 1:
        able = [model for model in able if model in name] or able
    if len(able) > 1:
        raise InvalidRequest(f"{', '.join(able)} have the versions {told}.", "Name the model.", "model")
    return able[0]


def _known(connection: Connection, model: str, wanted: Mapping[str, str]) -> tuple[dict[str, str], Ids]:
    """Return the versions as they are registered; a model that the records do not know is taken at its word.

    Except that a mere number loses its ``v``: this product's own versions are numbers, and answers carry them so.
    """
    query = select(ml_models.c.model_version, ml_models.c.id).where(ml_models.c.model_name == model)
    registered = {plain(version): (version, number) for version, number in connection.execute(query)}
    if not registered:
        return {v: plain(n) if plain(n).isdigit() else n for v, n in wanted.items()}, dict.fromkeys(wanted)
    missing = [version for version in wanted.values() if plain(version) not in registered]
    if missing:
        told = ", ".join(sorted(version for version, _ in registered.values()))
        raise UnknownModel(f"{model} has no version {missing[0]!r}.", f"Use one of: {told}.")
    found = {variant: registered[plain(version)] for variant, version in wanted.items()}
    return {v: version for v, (version, _) in found.items()}, {v: number for v, (_, number) in found.items()}
