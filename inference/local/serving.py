"""LocalServing: which servers there are, and how each is started."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

from components.catalog import get_spec
from components.registry.artifact import read_artifact
from inference.local.commands import explain_python, server_command
from inference.local.endpoint import Endpoint
from inference.local.supervisor import Supervisor
from inference.ports import bind, free_port
from inference.router.quantity import quantity_for

LIVE, READY = "/v2/health/live", "/v2/health/ready"


class LocalServing(Supervisor):
    """Starts predictors, routers, transformers, explainers, detectors and forwarders as processes on this machine.

    ``http_port`` is 0 for a free one everywhere. Every start raises :class:`PortInUse` if the port is taken, and
    :class:`ModelUnavailable` if the server runs already or does not get ready; other servers are not touched then.
    """

    def deploy(
        self, model: str, version: str, artifact_dir: Path, *, http_port: int = 0, timeout_s: float = 60.0
    ) -> Endpoint:
        """Start the predictor of one version and wait until it is ready."""
        payload_log = self.home / "payloads" / f"{model}-{version}.db"
        payload_log.parent.mkdir(parents=True, exist_ok=True)
        grpc_port, artifact = free_port(), str(artifact_dir.resolve())
        wanted = Endpoint(
            "predictor",
            model,
            version,
            grpc_port=grpc_port,
            ready_path=f"/v2/models/{model}/ready",
            artifact=artifact,
            payload_log=str(payload_log),
        )
        flags = {"artifact": artifact, "model_version": version, "grpc_port": grpc_port, "payload_log": payload_log}
        return self._serve(wanted, http_port, flags, timeout_s)

    def undeploy(self, model: str, version: str) -> None:
        """Stop a predictor; nothing happens if it does not run."""
        self.stop(f"predictor/{model}/{version}")

    def start_router(
        self, model: str, *, http_port: int = 0, artifact_dir: Path | None = None, seed: int | None = None
    ) -> Endpoint:
        """Start the weighted router of a model.

        Parameters
        ----------
        artifact_dir : Path or None
            An artifact of the model, whose schema says where the number stands that rollouts compare; None for a router
            that compares none.
        seed : int or None
            Of the random split.
        """
        admin_port = free_port()
        flags: dict[str, Any] = {"admin_port": admin_port, "folder": self.home / "rollouts"}
        if artifact_dir is not None:
            artifact = read_artifact(artifact_dir)
            quantity = quantity_for(get_spec(artifact.model_name), artifact.input_schema, artifact.output_schema)
            flags["quantity"] = quantity.to_json()
        if seed is not None:
            flags["seed"] = seed
        wanted = Endpoint("router", model, admin_port=admin_port, ready_path="/weights")
        return self._serve(wanted, http_port, flags, 30.0)

    def start_transformer(self, model: str, predictor: Endpoint, *, http_port: int = 0, wait: bool = True) -> Endpoint:
        """Start the transformer of a model in front of a predictor or router; importing Feast takes seconds."""
        wanted = Endpoint("transformer", model, ready_path=READY)
        return self._serve(wanted, http_port, {"predictor_host": predictor.address}, 90.0, wait=wait)

    def start_explainer(
        self,
        model: str,
        artifact_dir: Path,
        predictor: Endpoint,
        *,
        kind: str = "",
        http_port: int = 0,
        wait: bool = True,
    ) -> Endpoint:
        """Start the explainer of a model, in the optional Alibi environment where there is one.

        It warms up for 10 s and more: without ``wait`` other work goes on meanwhile, until :meth:`wait_ready`.
        """
        flags: dict[str, Any] = {"artifact": artifact_dir.resolve(), "predictor_host": predictor.address}
        if kind:
            flags["kind"] = kind
        wanted = Endpoint("explainer", model, ready_path=READY)
        return self._serve(wanted, http_port, flags, 120.0, explain_python(), wait)

    def start_detector(self, model: str, artifact_dir: Path, *, http_port: int = 0, wait: bool = True) -> Endpoint:
        """Start the drift detector of a model, likewise."""
        wanted = Endpoint("detector", model, ready_path=READY)
        return self._serve(wanted, http_port, {"artifact": artifact_dir.resolve()}, 120.0, explain_python(), wait)

    def start_forwarder(self, predictor: Endpoint, sink: str) -> Endpoint:
        """Start the process that sends the requests of a predictor's payload log to ``sink`` as CloudEvents."""
        command = [sys.executable, "-m", "inference.event_forwarder", "--payload_log", predictor.payload_log]
        command += ["--sink", sink, "--model_name", predictor.model, "--mode", "request"]
        wanted = Endpoint("forwarder", predictor.model, predictor.version, command=tuple(command))
        return self.launch(wanted, 0.0)

    def start_watchdog(self) -> Endpoint:
        """Start a process that restarts killed servers, also after this process ends."""
        command = (sys.executable, "-m", "inference.local", "--home", str(self.home))
        return self.launch(Endpoint("watchdog", "all", command=command), 0.0)

    def _serve(
        self,
        wanted: Endpoint,
        http_port: int,
        flags: dict[str, Any],
        timeout_s: float,
        python: str = "",
        wait: bool = True,
    ) -> Endpoint:
        if http_port:
            bind(wanted.host, http_port).close()
        port = http_port or free_port(wanted.host)
        command = server_command(wanted.kind, wanted.model, port, flags, python)
        return self.launch(replace(wanted, http_port=port, command=tuple(command)), timeout_s, wait=wait)
