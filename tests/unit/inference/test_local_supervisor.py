"""Stopping a server that another process started, and that nobody reaps."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import psutil

from inference.local.endpoint import Endpoint
from inference.local.supervisor import Supervisor


def test_a_server_whose_starter_does_not_reap_it_is_stopped(tmp_path: Path) -> None:
    command = (sys.executable, "-c", "import time; time.sleep(600)")
    starter, other = Supervisor(tmp_path), Supervisor(tmp_path)
    started = starter.launch(replace(Endpoint("predictor", "tiny", "1"), command=command), 0.0)
    other.stop(started.key, grace_s=2.0)
    assert psutil.Process(started.pid).status() == psutil.STATUS_ZOMBIE
    starter.stop_all()
    assert not psutil.pid_exists(started.pid)
