"""Loading and unloading of models while the server runs: closed unless the server was started with ``--admin``."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path
from typing import Any

from components.errors import ArthaflowError, InvalidRequest
from inference.dataplane import DataPlane
from inference.served_model import load_served

logger = logging.getLogger("arthaflow.admin")


class AdminClosed(ArthaflowError):
    """Somebody asked to load or unload a model on a server that does not offer it."""

    status = 403


class Admin:
    """Swaps the models of a data plane.

    Parameters
    ----------
    plane : DataPlane
        Serves them.
    is_open : bool
        Whether anything is allowed.
    """

    def __init__(self, plane: DataPlane, is_open: bool) -> None:
        self.plane = plane
        self.is_open = is_open
        self._one_at_a_time = asyncio.Lock()

    async def load(self, name: str, parameters: Any) -> str:
        """Load a model again, from its artifact or from another one, and put it in place when it is proven.

        Parameters
        ----------
        name : str
            A model that is served, or was unloaded.
        parameters : mapping
            ``artifact``: another directory; ``model_version``: its version on the protocol.

        Returns
        -------
        str
            The version that serves now.

        Raises
        ------
        AdminClosed
            Without ``--admin``.
        ArtifactCorrupt, GoldenMismatch, UnknownModel, ModelUnavailable
            If the new one is bad; the old one goes on serving.
        """
        self._check_open(name)
        current = self.plane.models.get(name)
        if current is None:
            self.plane.find(name)
            raise AssertionError("find raises for an unknown model")
        artifact, version = _option(parameters, "artifact"), _option(parameters, "model_version")
        directory = Path(artifact) if artifact else current.artifact.directory
        async with self._one_at_a_time:
            loop = asyncio.get_running_loop()
            try:
                served = await loop.run_in_executor(None, load_served, directory, name, version)
                if served.spec.name != current.spec.name:
                    raise InvalidRequest(
                        f"{directory} holds the model {served.spec.name!r}, not {current.spec.name!r}",
                        "Name an artifact of the same model.",
                        path="parameters.artifact",
                    )
            except ArthaflowError as error:
                logger.error(
                    "load of %s from %s refused, version %s serves on: %s", name, directory, current.version, error
                )
                raise
            self.plane.serve(served)
        logger.warning("%s: version %s replaces %s", name, served.version, current.version)
        return served.version

    def unload(self, name: str) -> None:
        """Stop serving a model until it is loaded again.

        Raises
        ------
        AdminClosed, UnknownModel
            Without ``--admin``; for a model that is not served.
        """
        self._check_open(name)
        self.plane.unload(name)
        logger.warning("%s is unloaded", name)

    def _check_open(self, name: str) -> None:
        if not self.is_open:
            raise AdminClosed(
                f"Loading and unloading is closed on this server; {name!r:.80} is unchanged.",
                "Start the server with --admin on an address that only operators reach.",
            )


def _option(parameters: Any, key: str) -> str:
    value = parameters.get(key, "") if isinstance(parameters, dict) else ""
    if not isinstance(value, str):
        raise InvalidRequest(f"{value!r:.60} is not text", "Send a string.", path=f"parameters.{key}")
    return value
