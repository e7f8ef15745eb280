"""Which data a job may read: what is embedded, and files below one folder of the worker's home.

A job's arguments come from the API. A caller who may train shall not make the worker open any file of its machine.
"""

from __future__ import annotations

from components.data.sources import SHIPPED
from components.errors import ConfigurationError
from pipelines.jobs.context import JobContext

FOLDER = "data"


def training_source(context: JobContext, source: str) -> str:
    """Return the name of what is shipped, or the path of a file below ``<home>/data``.

    Raises
    ------
    ConfigurationError
        If the name leads elsewhere, or there is no such file; the message lists those that there are.
    """
    if source in SHIPPED:
        return source
    root = (context.home / FOLDER).resolve()
    path = (root / source).resolve()
    if path.is_relative_to(root) and path.is_file():
        return str(path)
    files = sorted(p.relative_to(root).as_posix() for p in root.rglob("*") if p.is_file()) if root.is_dir() else []
    raise ConfigurationError(
        f"The data source {source!r} is no file below the worker's folder {FOLDER}/.",
        f"Use {', '.join([*SHIPPED, *files])}, or put the file there.",
    )
