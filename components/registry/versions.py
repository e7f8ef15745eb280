"""Registered versions of a model and their aliases, in MLflow's registry.

A version points to its artifact in the :mod:`components.registry.store`; nothing is ever loaded through MLflow's own
model formats. The aliases are ``production`` (what is served), ``candidate`` (what the next rollout takes) and
``previous`` (what a rollback returns to). The artifact is stored and verified before the version exists, and the
version before an alias moves, so that a failure on the way leaves production as it was.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from components.errors import ConfigurationError, UnknownModel
from components.registry.artifact import sha256
from components.registry.lineage import PREFIX
from components.registry.sqlite_registry import Located, UnknownLayout, locate
from components.registry.store import MANIFEST, open_store
from components.registry.tracking import database, explained, is_empty, open_client, record_run
from components.settings import Settings, settings

if TYPE_CHECKING:
    from mlflow.tracking import MlflowClient

PRODUCTION, CANDIDATE, PREVIOUS = "production", "candidate", "previous"


@dataclass(frozen=True)
class Version:
    """One registered version.

    Attributes
    ----------
    name : str
        The model.
    version : str
        Number, from 1.
    uri : str
        Address of the artifact in the store.
    aliases : tuple of str
        Sorted.
    created_at : str
        ISO 8601, UTC.
    run_id : str
        MLflow run.
    tags : mapping of str to str
        Lineage, the gate's sentence, the artifact's SHA-256; without the ``arthaflow.`` prefix.
    """

    name: str
    version: str
    uri: str
    aliases: tuple[str, ...]
    created_at: str
    run_id: str
    tags: Mapping[str, str]


class Registry:
    """The registry of one installation.

    Parameters
    ----------
    config : Settings, optional
        Where the registry and the artifacts are; the process's settings when None.
    """

    def __init__(self, config: Settings | None = None) -> None:
        self.config = config or settings()
        self._client: MlflowClient | None = None

    @property
    def client(self) -> MlflowClient:
        """MLflow's client, opened on first use."""
        if self._client is None:
            self._client = open_client(self.config)
        return self._client

    def register(
        self,
        name: str,
        artifact: Path,
        *,
        key: str,
        tags: Mapping[str, str],
        params: Mapping[str, Any],
        metrics: Mapping[str, float],
        alias: str = CANDIDATE,
        files: Mapping[str, Path] | None = None,
    ) -> Version:
        """Store an artifact, record its run, register it as the next version, and give it ``alias``.

        The first version of a model without production becomes production, whatever ``alias`` says.

        Parameters
        ----------
        name : str
            The model.
        artifact : Path
            A whole artifact; verified before anything is written.
        key : str
            Where it goes in the store, below the model's name; unique per run.
        tags, params, metrics, files
            See :func:`components.registry.tracking.record_run`.
        """
        check_alias(alias)
        uri = open_store(config=self.config).put_directory(artifact, f"{name}/{key}")
        tags = {**tags, f"{PREFIX}artifact_sha256": sha256(artifact / MANIFEST), f"{PREFIX}artifact": uri}
        run = record_run(
            name, tags=tags, params=params, metrics=metrics, files=files, client=self.client, config=self.config
        )
        with explained(self.config):
            self._ensure_model(name)
            made = self.client.create_model_version(name, uri, run, tags=_short(tags), await_creation_for=0)
        number = str(made.version)
        self.set_alias(name, alias if self.find(name, PRODUCTION) else PRODUCTION, number)
        return self.get(name, number)

    def find(self, name: str, reference: str) -> Version | None:
        """Return a version by number or alias, or None."""
        from mlflow.exceptions import MlflowException

        by_number = reference.isdigit()
        # MLflow has pseudo-aliases too, such as "latest": whatever was registered last, perhaps a rolled-back version.
        if is_empty(self.config) or not (by_number or reference in (PRODUCTION, CANDIDATE, PREVIOUS)):
            return None
        try:
            lookup = self.client.get_model_version if by_number else self.client.get_model_version_by_alias
            return _version(lookup(name, reference))
        except MlflowException as error:
            if error.error_code in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
                return None
            with explained(self.config):
                raise

    def get(self, name: str, reference: str = PRODUCTION) -> Version:
        """Return a version by number or alias.

        Raises
        ------
        UnknownModel
            If there is none; the message lists those that exist.
        """
        found = self.find(name, reference)
        if found is None:
            known = ", ".join(v.version + "".join(f" ({a})" for a in v.aliases) for v in self.versions(name))
            hint = f"Registered: {known}." if known else f"Nothing is registered yet: run `arthaflow run {name}`."
            raise UnknownModel(f"{name!r} has no version {reference!r}.", hint)
        return found

    def versions(self, name: str) -> list[Version]:
        """Return every version of a model, oldest first; none for a model that was never registered."""
        if is_empty(self.config):
            return []
        with explained(self.config):
            rows = list(self.client.search_model_versions(f"name = '{name}'"))
            aliases: dict[str, list[str]] = {}
            for alias, number in self._aliases(name).items():
                aliases.setdefault(str(number), []).append(alias)
        found = [_version(row, aliases.get(str(row.version), [])) for row in rows]
        return sorted(found, key=lambda v: int(v.version))

    def resolve(self, name: str, reference: str = PRODUCTION) -> Path:
        """Return a local, verified artifact directory of a version; it must not be changed."""
        found = self.locate(name, reference)
        store = open_store(config=self.config)
        return store.local(store.key(found.uri if found else self.get(name, reference).uri))

    def locate(self, name: str, reference: str = PRODUCTION) -> Located | None:
        """Return number and address of a version, or None; without importing MLflow where its database is SQLite."""
        path = database(self.config)
        if path is not None:
            try:
                return locate(path, name, reference)
            except UnknownLayout:
                pass
        found = self.find(name, reference)
        return Located(found.version, found.uri) if found else None

    def set_alias(self, name: str, alias: str, version: str) -> None:
        """Move an alias.

        Giving ``production`` to another version keeps the old one as ``previous``, and a candidate that becomes
        production is a candidate no longer.
        """
        check_alias(alias)
        before = self.find(name, PRODUCTION)
        self.get(name, version)
        with explained(self.config):
            if alias == PRODUCTION and before is not None and before.version != version:
                # The way back is laid before the step forward.
                self.client.set_registered_model_alias(name, PREVIOUS, before.version)
            self.client.set_registered_model_alias(name, alias, version)
        candidate = self.find(name, CANDIDATE)
        if alias == PRODUCTION and candidate is not None and candidate.version == version:
            self.delete_alias(name, CANDIDATE)

    def delete_alias(self, name: str, alias: str) -> None:
        """Take an alias away; no error when it is not there."""
        with explained(self.config):
            self.client.delete_registered_model_alias(name, check_alias(alias))

    def rollback(self, name: str, reason: str) -> Version:
        """Give ``production`` back to the previous version and note why; return that version.

        Raises
        ------
        UnknownModel
            If there is no previous version.
        """
        bad, good = self.get(name, PRODUCTION), self.get(name, PREVIOUS)
        with explained(self.config):
            self.client.set_registered_model_alias(name, PRODUCTION, good.version)
        self.delete_alias(name, PREVIOUS)
        self.note(name, bad.version, rolled_back=f"{_now()} {reason}")
        return self.get(name, PRODUCTION)

    def reject(self, name: str, version: str, reason: str) -> None:
        """Note that a candidate was rolled back during its canary, and take the ``candidate`` alias away from it."""
        candidate = self.find(name, CANDIDATE)
        if candidate is not None and candidate.version == version:
            self.delete_alias(name, CANDIDATE)
        self.note(name, version, rolled_back=f"{_now()} {reason}")

    def note(self, name: str, version: str, **tags: str) -> None:
        """Add tags to a version."""
        with explained(self.config):
            for key, value in tags.items():
                self.client.set_model_version_tag(name, version, f"{PREFIX}{key}", value[:1000])

    def _ensure_model(self, name: str) -> None:
        from mlflow.exceptions import MlflowException

        try:
            self.client.create_registered_model(name)
        except MlflowException as error:
            if error.error_code != "RESOURCE_ALREADY_EXISTS":
                raise

    def _aliases(self, name: str) -> Mapping[str, str]:
        from mlflow.exceptions import MlflowException

        try:
            aliases: Mapping[str, str] = self.client.get_registered_model(name).aliases
        except MlflowException as error:
            if error.error_code == "RESOURCE_DOES_NOT_EXIST":
                return {}
            raise
        return aliases


def check_alias(alias: str) -> str:
    """Return ``alias`` if it is one that the platform uses.

    Raises
    ------
    ConfigurationError
        If it is not.
    """
    if alias not in (PRODUCTION, CANDIDATE, PREVIOUS):
        raise ConfigurationError(
            f"{alias!r} is no alias of a version.", f"Use {PRODUCTION}, {CANDIDATE} or {PREVIOUS}."
        )
    return alias


def register(name: str, artifact: Path, **details: Any) -> Version:
    """:meth:`Registry.register` in the process's settings."""
    return Registry().register(name, artifact, **details)


def production(name: str) -> Path | None:
    """Return the local artifact of the version in production, or None when there is none."""
    registry = Registry()
    return registry.resolve(name) if registry.locate(name) else None


def resolve(name: str, reference: str = PRODUCTION) -> Path:
    """:meth:`Registry.resolve` in the process's settings."""
    return Registry().resolve(name, reference)


def set_alias(name: str, alias: str, version: str) -> None:
    """:meth:`Registry.set_alias` in the process's settings."""
    Registry().set_alias(name, alias, version)


def rollback(name: str, reason: str) -> Version:
    """:meth:`Registry.rollback` in the process's settings."""
    return Registry().rollback(name, reason)


def story(name: str) -> dict[str, Any]:
    """:func:`components.registry.story.story` in the process's settings."""
    from components.registry.story import story as tell

    return tell(name)


def _version(row: Any, aliases: list[str] | None = None) -> Version:
    names = aliases if aliases is not None else [str(a) for a in row.aliases]
    return Version(
        name=row.name,
        version=str(row.version),
        uri=row.source,
        aliases=tuple(sorted(names)),
        created_at=datetime.fromtimestamp(row.creation_timestamp / 1000, UTC).isoformat(timespec="seconds"),
        run_id=row.run_id,
        tags={k.removeprefix(PREFIX): v for k, v in row.tags.items()},
    )


def _short(tags: Mapping[str, str]) -> dict[str, str]:
    return {k: v[:1000] for k, v in tags.items()}


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
