"""Supervisor: launch, find and stop server processes that outlive the process that started them."""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace
from pathlib import Path

import psutil  # type: ignore[import-untyped]

from components.errors import ModelUnavailable, PortInUse
from inference.local.commands import environment
from inference.local.endpoint import Endpoint, process_of
from inference.local.process import ManagedProcess
from inference.local.state import Endpoints, ServingState

STOP_ORDER = ("watchdog", "jobs", "gateway", "transformer", "router", "explainer", "forwarder", "detector", "predictor")
"""First those that clients talk to, so that none of them meets a server that is gone behind them."""


@dataclass
class Supervisor:
    """The servers below one home folder; another process finds them through it.

    Parameters
    ----------
    home : Path
        ``serving.json``, ``logs/``, ``payloads/`` and ``rollouts/`` are written here.
    """

    home: Path
    _own: dict[str, ManagedProcess] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        self.home = self.home.expanduser().resolve()
        self.state = ServingState(self.home / "serving.json")

    def running(self) -> list[Endpoint]:
        """Return the servers that run; entries of dead ones (a crash, a reboot) are left out."""
        return [e for e in self.state.read().values() if e.alive]

    def find(self, kind: str, model: str, version: str = "") -> Endpoint:
        """Return a running server.

        Raises
        ------
        ModelUnavailable
            If there is none.
        """
        wanted = Endpoint(kind, model, version)
        found = self.state.read().get(wanted.key)
        if found is None or not found.alive:
            names = ", ".join(e.key for e in self.running()) or "none"
            raise ModelUnavailable(
                f"No {wanted.key} runs below {self.home} (running: {names}).",
                f"Start it with `arthaflow serve {model}`.",
            )
        return found

    def launch(self, wanted: Endpoint, timeout_s: float, *, wait: bool = True) -> Endpoint:
        """Start a server, wait until it is ready (if ``wait``) and make it known.

        Raises
        ------
        PortInUse
            If its port is taken.
        ModelUnavailable
            If it runs already, or does not get ready; nothing is left behind then, and no other server is touched.
        """
        known = self.state.read().get(wanted.key)
        if known is not None and known.alive:
            where = known.url or f"pid {known.pid}"
            raise ModelUnavailable(f"{wanted.key} runs already ({where}).", "Use it, or stop it first.")
        wanted = replace(wanted, log=str(self.home / "logs" / f"{wanted.key.replace('/', '-')}.log"))
        process = self._process(wanted)
        process.start()
        ready = False
        try:
            if wanted.ready_url and wait:
                process.wait_ready(wanted.ready_url, timeout_s)
            ready = True
        except ModelUnavailable as error:
            if "in use" in str(error).lower():
                raise PortInUse(f"A port of {wanted.key} was taken while it started.", "Try again.") from error
            raise
        finally:
            if not ready:
                process.stop()  # Ctrl-C while waiting must not leave a server that nobody knows either
        started = replace(wanted, pid=process.pid, created=process.created)
        self._own[started.key] = process
        self.state.change(lambda servers: servers.update({started.key: started}))
        return started

    def wait_ready(self, endpoint: Endpoint, timeout_s: float = 120.0) -> None:
        """Wait for a server that was started with ``wait=False``.

        Raises
        ------
        ModelUnavailable
            If it exited, or does not get ready in time; it is stopped then.
        """
        process = self._own.get(endpoint.key)
        if process is None:
            self.find(endpoint.kind, endpoint.model, endpoint.version)
        elif endpoint.ready_url:
            try:
                process.wait_ready(endpoint.ready_url, timeout_s)
            except ModelUnavailable:
                self.stop(endpoint.key)
                raise

    def restart(self, endpoint: Endpoint) -> Endpoint:
        """Start a dead server again, on its old ports. Does not wait until it is ready."""
        dead = self._own.pop(endpoint.key, None)
        if dead is not None:
            dead.stop(0.0)  # reaps it
        process = self._process(endpoint)
        process.start()
        again = replace(endpoint, pid=process.pid, created=process.created)
        wanted = False

        def put(servers: Endpoints) -> None:
            nonlocal wanted
            wanted = servers.get(endpoint.key) == endpoint  # somebody may have stopped or revived it meanwhile
            if wanted:
                servers[endpoint.key] = again

        self.state.change(put)
        if wanted:
            self._own[endpoint.key] = process
        else:
            process.stop()
        return again

    def stop(self, key: str, grace_s: float = 10.0) -> None:
        """Stop one server, started by this process or by another; nothing happens if it does not run."""
        found: list[Endpoint | None] = []
        self.state.change(lambda servers: found.append(servers.pop(key, None)))  # first: no watchdog revives it then
        own = self._own.pop(key, None)
        if own is not None:
            own.stop(grace_s)
        if found[0] is not None:
            _end(found[0], grace_s)

    def stop_all(self) -> None:
        """Stop every server."""
        keys = {*self.state.read(), *self._own}  # an own one that another process stopped has still to be reaped
        for key in sorted(keys, key=lambda k: STOP_ORDER.index(k.split("/")[0])):
            self.stop(key)

    def _process(self, endpoint: Endpoint) -> ManagedProcess:
        return ManagedProcess(endpoint.key, endpoint.command, Path(endpoint.log), environment(endpoint.kind, self.home))


def _end(endpoint: Endpoint, grace_s: float) -> None:
    """Stop a process that another one started."""
    process = process_of(endpoint)
    if process is None:
        return
    try:
        process.terminate()
        if not _gone(process, grace_s):
            process.kill()
            _gone(process, grace_s)
    except psutil.NoSuchProcess:
        return


def _gone(process: psutil.Process, within_s: float) -> bool:
    """Wait until a process has ended; a zombie has, though whoever started it (`arthaflow serve`) does not reap it."""
    deadline = time.monotonic() + within_s
    while process.is_running() and process.status() != psutil.STATUS_ZOMBIE:
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True
