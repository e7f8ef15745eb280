"""How the servers are started: command lines and environments."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from components.settings import settings

ONE_THREAD = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
"""A predictor answers from one thread: more of them cost throughput on a small machine."""


def server_command(kind: str, model: str, http_port: int, flags: dict[str, object], python: str = "") -> list[str]:
    """Return the command line of a server that listens on this machine only."""
    command = [python or sys.executable, "-m", f"inference.{kind}", "--model_name", model]
    command += ["--host", "127.0.0.1", "--http_port", str(http_port)]
    for name, value in flags.items():
        command += [f"--{name}", str(value)]
    return command


def environment(kind: str, home: Path) -> dict[str, str]:
    """Return the whole environment of a server."""
    base = {**os.environ, "ARTHAFLOW_HOME": str(home), "PYTHONUNBUFFERED": "1"}
    return {**base, **dict.fromkeys(ONE_THREAD, "1")} if kind in ("predictor", "router") else base


def explain_python() -> str:
    """Return the Python of the optional Alibi environment, or the running one where there is none."""
    beside = Path(sys.prefix).parent / ".venv-explain" / "bin" / "python"
    return settings().explain_python or (str(beside) if beside.is_file() else sys.executable)
