"""Asking for a deployment: the checks that need no registry, then the job."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from components.records.jobs import NewJob
from inference.gateway.caller import Caller
from inference.gateway.management.model_rows import VersionConflict, check_environment, check_four_eyes

Row = dict[str, Any]


def deployment(caller: Caller, row: Row, environment: str, plan: Mapping[str, Any]) -> NewJob:
    """Return the job that brings a version to an environment.

    Raises
    ------
    Unsupported
        If there is no such environment.
    Forbidden
        If the caller made the version and is no admin.
    VersionConflict
        If it serves already.
    """
    check_environment(environment)
    check_four_eyes(caller, row, environment)
    if row["is_active"]:
        raise VersionConflict(
            f"Version {row['model_version']} of {row['model_name']} serves already.", "Deploy another version."
        )
    return NewJob(
        "deployment",
        row["model_name"],
        caller.pseudonym,
        name=f"deploy {row['model_name']} version {row['model_version']} to {environment}",
        model_config={"version": row["model_version"]},
        training_config={"environment": environment, **plan},
    )


def retirement(caller: Caller, row: Row, reason: str) -> NewJob:
    """Return the job that retires a version.

    Raises
    ------
    VersionConflict
        If it serves.
    """
    if row["is_active"]:
        raise VersionConflict(
            f"Version {row['model_version']} of {row['model_name']} serves.",
            f"Deploy another version first: PUT /api/v1/ml/models/{row['model_name']}:<version>/deploy.",
        )
    return NewJob(
        "retirement",
        row["model_name"],
        caller.pseudonym,
        name=f"retire {row['model_name']} version {row['model_version']}",
        model_config={"version": row["model_version"]},
        training_config={"reason": reason},
    )
