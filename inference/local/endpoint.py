"""A running server, as other processes find it in ``serving.json``."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import psutil  # type: ignore[import-untyped]


@dataclass(frozen=True)
class Endpoint:
    """One server process.

    Attributes
    ----------
    kind : str
        ``predictor``, ``router``, ``transformer``, ``explainer``, ``detector``, ``forwarder``, ``gateway``, ``jobs``.
    model, version : str
        What it serves; no version for a server of all versions.
    host : str
        Address it listens on.
    http_port, grpc_port, admin_port : int
        0 where there is none.
    command : tuple of str
        How it was started, and is started again if it is killed.
    ready_path : str
        Path that answers 200 when it is ready; empty for a process without HTTP.
    log : str
        File with its output.
    artifact, payload_log : str
        Of a predictor.
    pid, created : int, float
        The process and its creation time, which together are never reused.
    """

    kind: str
    model: str
    version: str = ""
    host: str = "127.0.0.1"
    http_port: int = 0
    grpc_port: int = 0
    admin_port: int = 0
    command: tuple[str, ...] = ()
    ready_path: str = ""
    log: str = ""
    artifact: str = ""
    payload_log: str = ""
    pid: int = 0
    created: float = 0.0

    @property
    def key(self) -> str:
        """Name among the running servers, for example ``predictor/price_forecast/2``."""
        return "/".join(p for p in (self.kind, self.model, self.version) if p)

    @property
    def url(self) -> str:
        """Base URL."""
        return f"http://{self.host}:{self.http_port}" if self.http_port else ""

    @property
    def address(self) -> str:
        """``host:port``."""
        return f"{self.host}:{self.http_port}"

    @property
    def admin_url(self) -> str:
        """Base URL of the admin interface."""
        return f"http://127.0.0.1:{self.admin_port}" if self.admin_port else ""

    @property
    def ready_url(self) -> str:
        """URL that answers 200 when the server is ready; a router tells on its admin port."""
        return f"{self.admin_url or self.url}{self.ready_path}" if self.ready_path else ""

    @property
    def alive(self) -> bool:
        """Whether the very process that was started runs still."""
        return process_of(self) is not None

    def to_dict(self) -> dict[str, Any]:
        """Return a JSON-ready dictionary."""
        return asdict(self)

    @classmethod
    def from_dict(cls, raw: dict[str, Any]) -> Endpoint:
        """Inverse of :meth:`to_dict`."""
        return cls(**{**raw, "command": tuple(raw["command"])})


def process_of(endpoint: Endpoint) -> psutil.Process | None:
    """Return the server's process; None when it is gone, even if its number was given to another one."""
    if not endpoint.pid:
        return None
    try:
        process = psutil.Process(endpoint.pid)
        same = abs(process.create_time() - endpoint.created) < 0.05
        return process if same and process.status() != psutil.STATUS_ZOMBIE else None
    except psutil.NoSuchProcess:
        return None
