"""The publishing half of the training graph: register or refuse, report, and the exit handler's last word."""

from __future__ import annotations

import json
from pathlib import Path

from components.errors import ArthaflowError
from components.registry.lineage import PREFIX, Lineage
from components.registry.lineage import run_id as run_id_of
from components.settings import settings
from components.stages.data import read_json
from components.stages.ending import ending
from components.stages.learning import headline
from components.stages.request import Request
from components.stages.step import problem_file


def register(request: Request, blend: Path, lineage: Path, evaluation: Path, decision: Path, alias: str) -> str:
    """Store the assembled artifact, register it as the next version, give it ``alias``; return the version's number.

    A step may be killed after it registered and before it said so; tried again, it returns the run's version.
    """
    from components.registry.versions import PRODUCTION, Registry

    told, verdict, origin = read_json(evaluation), read_json(decision), Lineage.read(lineage)
    registry = Registry()
    known_versions = registry.versions(request.model)
    earlier = next((v for v in known_versions if v.tags.get("run_id") == origin.run_id), None)
    if earlier is not None:
        if not earlier.aliases and earlier == known_versions[-1]:
            known = registry.find(request.model, PRODUCTION)
            registry.set_alias(request.model, alias if known else PRODUCTION, earlier.version)
        return earlier.version
    version = registry.register(
        request.model,
        blend,
        key=origin.run_id,
        tags={**origin.tags(), f"{PREFIX}verdict": "promoted", f"{PREFIX}reason": verdict["reason"]},
        params=request.params(),
        metrics=headline(told),
        alias=alias,
        files={"evaluation": evaluation, "gate": decision},
    )
    return version.version


def refuse(request: Request, lineage: Path, evaluation: Path, decision: Path) -> str:
    """Record the refusal in MLflow; return the MLflow run. Registered versions and aliases stay as they are."""
    from components.registry.tracking import record_run

    return record_run(
        request.model,
        tags={
            **Lineage.read(lineage).tags(),
            f"{PREFIX}verdict": "refused",
            f"{PREFIX}reason": read_json(decision)["reason"],
        },
        params=request.params(),
        metrics=headline(read_json(evaluation)),
        files={"evaluation": evaluation, "gate": decision},
    )


def finish(model: str, run_id: str, state: str, failed_task: str, message: str, decides: bool = True) -> str:
    """Say how a run ended, as Markdown; a failed run is recorded in MLflow too.

    Parameters
    ----------
    state : str
        Final state of the pipeline, as the backend tells it; see :mod:`components.stages.ending`.
    failed_task, message : str
        As the backend tells them; the local runner's own record is clearer where there is one.
    decides : bool
        Whether a run that ends well registers or refuses a version.
    """
    run_id = run_id_of(run_id)
    ended = ending(model, run_id, state, decides)
    if ended == "well":
        return f"# {model}: the run ended well\n\nRun `{run_id}`.\n"
    if ended == "untold":
        return f"# {model}: the run ended\n\nRun `{run_id}`: Kubeflow says {state or 'nothing'}; its page says more.\n"
    path = problem_file()
    problem = json.loads(path.read_text(encoding="utf-8")) if path is not None and path.exists() else {}
    where = problem.get("step") or failed_task or "a step"
    what = f"{problem['problem']} {problem['remedy']}" if problem else message or "See the log of that step."
    text = (
        f"# {model}: the run failed\n\nRun `{run_id}` ended as {state} in **{where}**.\n\n{what}\n\n"
        "Nothing was registered; the version in production is as it was.\n"
    )
    return text + _record_failure(model, run_id, where, what)


def _record_failure(model: str, run_id: str, where: str, what: str) -> str:
    from components.registry.tracking import record_run

    tags = {f"{PREFIX}run_id": run_id, f"{PREFIX}verdict": "failed", f"{PREFIX}reason": f"{where}: {what}"}
    try:
        record_run(model, tags=tags, failed=True)
    except (ArthaflowError, OSError) as error:
        # The first problem must not be hidden by a second one, for example on a full disk.
        return f"\nThe failure could not be recorded at {settings().mlflow_uri}: {error}\n"
    return ""
