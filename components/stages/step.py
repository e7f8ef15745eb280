"""How a step reports: one line of JSON when it starts, ends or fails, which a person and the local runner can read.

A step runs in a process of its own, on one machine as on a cluster, so that its log is the only thing it surely leaves.
"""

from __future__ import annotations

import errno
import json
import os
import sqlite3
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from components.errors import ArthaflowError, OutOfSpace

MARK = "ARTHAFLOW_STEP "
FULL = ("No space left on device", "disk is full", "Disk quota exceeded")


@contextmanager
def step(name: str, label: str = "") -> Iterator[None]:
    """Report the start, the end and the seconds of a step; an error that a person can act on ends the process with 1.

    Parameters
    ----------
    name : str
        Name of the step.
    label : str
        What tells it from its siblings, for example the candidate's name.
    """
    began = time.perf_counter()
    say("start", name, label)
    try:
        yield
    except (ArthaflowError, OSError, sqlite3.Error) as error:
        known = explain(error)
        if known is None:
            raise
        problem = {"kind": _kind(known), "problem": known.problem, "remedy": known.remedy}
        say("error", name, label, **problem)
        _keep({"step": name, "label": label, **problem})
        raise SystemExit(1) from error
    say("end", name, label, seconds=round(time.perf_counter() - began, 3))


def say(event: str, name: str, label: str = "", **details: Any) -> None:
    """Write one marked line to the log."""
    line = json.dumps({"event": event, "step": name, "label": label, **details})
    sys.stdout.write(f"{MARK}{line}\n")
    sys.stdout.flush()


def explain(error: BaseException) -> ArthaflowError | None:
    """Return the error that a person can act on, or None for a fault of the code."""
    if isinstance(error, ArthaflowError):
        return error
    if getattr(error, "errno", None) in (errno.ENOSPC, errno.EDQUOT) or any(text in str(error) for text in FULL):
        return OutOfSpace(
            f"The disk filled up ({error}).",
            "Free some space and run again; nothing of this run was registered.",
        )
    return None


def problem_file() -> Path | None:
    """Where the local runner keeps the first problem of a run for the exit handler; None on a cluster."""
    folder = os.environ.get("ARTHAFLOW_RUN_DIR")
    return Path(folder, "problem.json") if folder else None


def _kind(error: ArthaflowError) -> str:
    """Name of the error's class in :mod:`components.errors`: subclasses elsewhere may need more than a message."""
    return next(c.__name__ for c in type(error).__mro__ if c.__module__ == ArthaflowError.__module__)


def _keep(problem: dict[str, Any]) -> None:
    path = problem_file()
    if path is not None and not path.exists():
        # On a full disk the log has already told it.
        with suppress(OSError):
            path.write_text(json.dumps(problem), encoding="utf-8")
