"""The product API on one machine: a gateway in front of every model that runs below a home, and who works its jobs."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any
from uuid import uuid4

from components.errors import PortInUse
from inference.local.endpoint import Endpoint
from inference.local.supervisor import Supervisor
from inference.ports import bind, free_port

GATEWAY, JOBS = "gateway/all", "jobs/all"
PORT = 8000
"""Document 0: development answers on port 8000."""


def models_file(serving: Supervisor) -> Path:
    """Where the gateway of a home reads which models there are."""
    return serving.home / "gateway" / "models.json"


def publish(serving: Supervisor) -> Path:
    """Tell the gateway which models run now, and return the file; it is exchanged whole."""
    path = models_file(serving)
    path.parent.mkdir(parents=True, exist_ok=True)
    scratch = path.with_name(f".{path.name}-{uuid4().hex}")
    scratch.write_text(json.dumps({"models": entries(serving.running())}, indent=1) + "\n", encoding="utf-8")
    scratch.replace(path)
    return path


def entries(running: list[Endpoint]) -> dict[str, dict[str, Any]]:
    """Return the models file's entries: a transformer in front where there is one, else the router."""
    by_model: dict[str, dict[str, Endpoint]] = {}
    for endpoint in running:
        by_model.setdefault(endpoint.model, {})[endpoint.kind] = endpoint
    made = {}
    for model, servers in sorted(by_model.items()):
        front = servers.get("transformer") or servers.get("router")
        if front is None:
            continue
        entry: dict[str, Any] = {"url": front.url, "explains": "explainer" in servers}
        if "explainer" in servers:
            entry["explain_url"] = servers["explainer"].url
        if "detector" in servers:
            entry["detector_url"] = servers["detector"].url
        made[model] = entry
    return made


def start_gateway(serving: Supervisor, *, port: int | None = None) -> Endpoint:
    """Start the gateway of a home, or return the one that runs.

    Parameters
    ----------
    port : int or None
        0 for a free one; None for 8000, or a free one where that is taken.

    Raises
    ------
    PortInUse
        If a port that was asked for is taken.
    """
    found = serving.state.read().get(GATEWAY)
    if found is not None and found.alive:
        return found
    chosen = _port(port)
    path = publish(serving)
    listens = ("--host", "127.0.0.1", "--port", str(chosen), "--reload_seconds", "0.25")
    command = (sys.executable, "-m", "inference.gateway", "--models", str(path), *listens)
    return serving.launch(Endpoint("gateway", "all", http_port=chosen, command=command, ready_path="/ready"), 60.0)


def start_jobs(serving: Supervisor) -> Endpoint:
    """Start the worker of a home's jobs, or return the one that runs."""
    found = serving.state.read().get(JOBS)
    if found is not None and found.alive:
        return found
    command = (sys.executable, "-c", "from pipelines.cli import main; main()", "jobs", "work")
    return serving.launch(Endpoint("jobs", "all", command=command), 0.0)


def _port(wanted: int | None) -> int:
    if wanted == 0:
        return free_port()
    try:
        bind("127.0.0.1", PORT if wanted is None else wanted).close()
    except PortInUse:
        if wanted is not None:
            raise
        return free_port()
    return PORT if wanted is None else wanted
