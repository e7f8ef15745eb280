"""A registration job: an artifact that the store has becomes the next version, a candidate, once it proved whole."""

from __future__ import annotations

from typing import Any

from components.catalog import get_spec
from components.errors import ConfigurationError
from pipelines.jobs.context import JobContext


def register(context: JobContext) -> dict[str, Any]:
    """Verify every hash, replay the golden requests, then register.

    An artifact is registered once: asked again, the version that has it is the answer.

    Raises
    ------
    ConfigurationError
        If the address is not in this installation's store, or the artifact is another model's.
    ArtifactCorrupt, GoldenMismatch
        If it is not whole, or does not answer as it did when it was trained.
    """
    from components.registry.artifact import read_artifact, sha256
    from components.registry.lineage import PREFIX
    from components.registry.store import MANIFEST, open_store
    from components.registry.versions import Registry

    model, arguments = context.asked.model, context.asked.arguments
    spec, store, registry = get_spec(model), open_store(), Registry()
    key = store.key(str(arguments["artifact_uri"]))
    context.begin("verify the files")
    artifact = read_artifact(store.local(key))
    if artifact.model_name != spec.name:
        raise ConfigurationError(
            f"The artifact {arguments['artifact_uri']} is of the model {artifact.model_name!r}, not {spec.name!r}.",
            f"Register it as {artifact.model_name!r}.",
        )
    digest = sha256(artifact.directory / MANIFEST)
    known = next((v for v in registry.versions(spec.name) if v.tags.get("artifact_sha256") == digest), None)
    if known is not None:
        return {"model": model, "version": known.version, "artifact": known.uri, "outcome": "registered already"}
    context.begin("replay the golden requests")
    cases = artifact.replay_golden(artifact.load_model(spec))
    context.begin("register")
    lineage = {f"{PREFIX}{k}": str(v) for k, v in (artifact.metadata.get("lineage") or {}).items()}
    reason = str(arguments.get("description") or f"Registered by hand from {arguments['artifact_uri']}.")
    metrics = artifact.metadata.get("metrics") or {}
    made = registry.register(
        spec.name,
        artifact.directory,
        key=key.removeprefix(f"{spec.name}/"),
        tags={**lineage, f"{PREFIX}verdict": "registered", f"{PREFIX}reason": reason},
        params=artifact.metadata.get("params") or {},
        metrics={k: float(v) for k, v in metrics.items() if isinstance(v, int | float)},
    )
    return {
        "model": model,
        "version": made.version,
        "artifact": made.uri,
        "aliases": list(made.aliases),
        "outcome": "registered",
        "reason": reason,
        "golden_requests": cases,
    }
