"""The models file: which models there are, where they answer, and how long an answer may take.

A ConfigMap mounted as a folder is changed by exchanging a symbolic link, so the file is compared by its content. A file
that cannot be understood changes nothing: the models that were read last stay, and the log and a metric say so.
"""

from __future__ import annotations

import logging
import re
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit

import yaml
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from components.errors import ConfigurationError, UnknownModel

LOG = logging.getLogger("arthaflow.gateway")


_HOSTNAME = re.compile(r"[A-Za-z0-9._-]{1,253}|[0-9a-f:.]{2,45}")


def _plain_url(url: str) -> str:
    parts = urlsplit(url)
    parts.port  # noqa: B018 - raises ValueError for what is no port
    beside = parts.path.strip("/") or parts.query or parts.fragment or parts.username
    if parts.scheme != "http" or beside or not _HOSTNAME.fullmatch(parts.hostname or ""):
        raise ValueError("give http://host[:port] and nothing after it; a mesh or the route's Gateway does the TLS")
    return url


Url = Annotated[str, AfterValidator(_plain_url)]
ModelName = Annotated[str, Field(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}$")]
Host = Annotated[str, Field(pattern=r"^[A-Za-z0-9.:-]*$")]


class Entry(BaseModel):
    """One model of the file.

    Attributes
    ----------
    url : str
        Where its V2 endpoints are: a server, or the Gateway that routes to it by host.
    host : str
        Host header to send; empty for the host of ``url``.
    timeout_s : float
        Longest answer.
    explains : bool
        Whether the model has an explainer.
    explain_url, explain_host : str
        The same for ``:explain``; an empty URL means ``url`` and ``host``.
    explain_timeout_s : float
        Longest explanation.
    max_in_flight : int
        Requests under way at once; more are refused, so that a slow model fills no more than its own share.
    explain_max_in_flight : int
        The same for explanations, which take no place of predictions.
    detector_url, detector_host : str
        Where the model's drift detector answers; without it drift is not watched.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    url: Url
    host: Host = ""
    timeout_s: float = Field(default=30.0, gt=0, le=3600)
    explains: bool = True
    explain_url: Url | None = None
    explain_host: Host = ""
    explain_timeout_s: float = Field(default=120.0, gt=0, le=3600)
    max_in_flight: int = Field(default=256, gt=0)
    explain_max_in_flight: int = Field(default=32, gt=0)
    detector_url: Url | None = None
    detector_host: Host = ""


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid")

    models: dict[ModelName, Entry]


def read_entries(text: bytes, where: Path) -> dict[str, Entry]:
    """Return the models of a file, by name.

    Examples
    --------
    >>> read_entries(b"models: {tiny: {url: 'http://127.0.0.1:8080'}}", Path("m.yaml"))["tiny"].timeout_s
    30.0

    Raises
    ------
    ConfigurationError
        With the first value that is wrong, and where it stands.
    """
    remedy = "Write `models: {<name>: {url: http://host:port, host: <Host header>, timeout_s: 30}}`."
    try:
        loaded: Any = yaml.safe_load(text)
        return dict(_File.model_validate(loaded).models)
    except ValidationError as error:  # a ValueError too
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"])) or "the file"
        raise ConfigurationError(
            f"The models file {where}: {place} is {first['input']!r:.80}: {first['msg']}.", remedy
        ) from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:  # a date that is none; brackets without end
        raise ConfigurationError(
            f"The models file {where} is not YAML ({error}).".replace("\n", " "), remedy
        ) from error


class ModelTable:
    """The models that are known now.

    Parameters
    ----------
    path : Path
        The models file.

    Attributes
    ----------
    entries : dict
        The models, by name.
    valid : bool
        False while the file on disk differs from ``entries`` because it cannot be understood.

    Raises
    ------
    ConfigurationError
        If the file is missing or wrong at the start.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._content: bytes | None = self._read()
        self.entries = read_entries(self._content, path)
        self.valid = True

    def refresh(self) -> bool:
        """Read the file again; return whether the models changed."""
        try:
            before, self._content = self._content, None  # a file that was away is read anew, even if it is the same
            content = self._content = self._read()
            if content == before:
                return False
            self.entries = read_entries(content, self.path)
        except ConfigurationError as error:
            if self.valid:
                LOG.error("%s The models read before stay in place.", error)
            self.valid = False
            return False
        self.valid = True
        LOG.warning("models are now: %s", ", ".join(sorted(self.entries)) or "none")
        return True

    def find(self, name: str) -> Entry:
        """Return a model's entry.

        Raises
        ------
        UnknownModel
            With the models that exist.
        """
        entry = self.entries.get(name)
        if entry is None:
            known = ", ".join(sorted(self.entries))
            raise UnknownModel(
                f"There is no model {name!r:.80} here.",
                f"Use one of: {known}." if known else "No model is served yet; name a version of one in the chart.",
            )
        return entry

    def _read(self) -> bytes:
        try:
            return self.path.read_bytes()
        except OSError as error:
            raise ConfigurationError(
                f"The models file {self.path} cannot be read ({error.strerror}).", "Give its path with --models."
            ) from error
