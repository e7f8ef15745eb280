"""Run a training graph on this machine, through ``kfp.local``, from the function that compiles for a cluster."""

from __future__ import annotations

import builtins
import logging
import os
import secrets
import shutil
import sys
import threading
import time
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rich.console import Console

from components import errors
from components.catalog import get_spec
from components.errors import ArthaflowError
from components.settings import settings
from components.stages.step import explain
from components.threads import THREADS
from pipelines.arguments import training_arguments
from pipelines.progress import StepProgress, title
from pipelines.result import RunResult, read_result
from pipelines.runlog import RunLog

QUIET = {
    "TF_CPP_MIN_LOG_LEVEL": "3",
    "TF_ENABLE_ONEDNN_OPTS": "0",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "true",
    "PYTHONUNBUFFERED": "1",
    "PYTHONWARNINGS": "ignore",
}

_one_at_a_time = threading.Lock()


class RunFailed(ArthaflowError):
    """A step of a run failed for a reason that is not known to be the reader's; the message has its last words."""


def run_training(
    model: str,
    arguments: Mapping[str, Any] | None = None,
    home: Path | None = None,
    console: Console | None = None,
    run_id: str = "",
) -> RunResult:
    """Run the whole training graph of a model.

    Parameters
    ----------
    model : str
        Name in the catalogue.
    arguments : mapping, optional
        See :func:`pipelines.arguments.training_arguments`.
    home : Path, optional
        In place of the settings' ``home``.
    console : Console, optional
        Where progress is shown.
    run_id : str
        Of the run, where the caller needs to know it before; it must be new.

    Raises
    ------
    ArthaflowError
        The failing step's own error where it is one a person can act on, else :class:`RunFailed`. The exit handler has
        run; registered versions and aliases are as they were.
    """
    spec = get_spec(model)
    return run_graph(spec.name, "train", training_arguments(spec, arguments or {}), home, console, run_id)


def run_tuning(
    model: str,
    arguments: Mapping[str, Any] | None = None,
    home: Path | None = None,
    console: Console | None = None,
    run_id: str = "",
) -> RunResult:
    """Run the whole tuning graph of a model; see :func:`run_training` and :func:`pipelines.tune.tuning_arguments`.

    The search is a study on this machine unless ``engine`` says otherwise.
    """
    from pipelines.tune import tuning_arguments

    spec = get_spec(model)
    chosen = tuning_arguments(spec, {"engine": "optuna", **(arguments or {})})
    return run_graph(spec.name, "tune", chosen, home, console, run_id)


def run_graph(
    model: str,
    kind: str,
    chosen: Mapping[str, Any],
    home: Path | None = None,
    console: Console | None = None,
    run_id: str = "",
) -> RunResult:
    """Run a graph that ends with the gate, of a kind in :data:`pipelines.compile.BUILDERS`, with checked arguments."""
    run_id, directory, seconds = run_steps(model, kind, chosen, home, console, run_id)
    return read_result(model, run_id, directory, seconds)


def run_steps(
    model: str,
    kind: str,
    chosen: Mapping[str, Any],
    home: Path | None = None,
    console: Console | None = None,
    run_id: str = "",
) -> tuple[str, Path, dict[str, float]]:
    """Run any graph; return the run's id, its folder, and seconds by step and in ``total``."""
    root = home.expanduser().resolve() if home else settings().root
    run_id = run_id or f"{datetime.now(UTC):%Y%m%dT%H%M%S}-{secrets.token_hex(2)}"
    directory = root / "runs" / run_id
    began = time.perf_counter()
    try:
        (directory / "tmp").mkdir(parents=True)
        log = _run(model, kind, chosen, root, run_id, directory, console)
        seconds = {title(e): float(e["seconds"]) for e in log.events if e["event"] == "end"}
        return run_id, directory, {**seconds, "total": round(time.perf_counter() - began, 3)}
    except OSError as error:
        raise explain(error) or error from error
    finally:
        shutil.rmtree(directory / "tmp", ignore_errors=True)


def _run(
    model: str, kind: str, chosen: Mapping[str, Any], root: Path, run_id: str, directory: Path, console: Console | None
) -> RunLog:
    from kfp import local

    from pipelines.compile import graph_builder
    from pipelines.placement import without_retries

    pipeline = without_retries(graph_builder(kind)(get_spec(model)))
    progress = StepProgress(console)
    log = RunLog(directory / "kfp.log", progress.handle)
    try:
        with (
            _one_at_a_time,
            progress,
            _surroundings(root, run_id, directory),
            redirect_stdout(log),
            redirect_stderr(log),
        ):
            local.init(
                local.SubprocessRunner(use_venv=False),
                pipeline_root=str(directory),
                workspace_root=str(directory / "workspace"),
            )
            pipeline(**chosen)
    except RuntimeError as error:
        raise _failure(log, error) from error
    finally:
        log.close()
    return log


def _failure(log: RunLog, error: RuntimeError) -> ArthaflowError:
    """Return the first error that a step reported, or what is known of a step that ended without a word."""
    told = next((e for e in log.events if e["event"] == "error"), None)
    if told is not None:
        kind = getattr(errors, told["kind"], ArthaflowError)
        known: ArthaflowError = kind(told["problem"], told["remedy"])
        known.add_note(f"Step {title(told)}; the log is {log.path}.")
        return known
    step, words = next(iter(log.last_words.items()), ("", [str(error)]))
    full = explain(OSError("\n".join(words)))
    if full is not None:
        return full
    where = f"The step {step!r}" if step else "The run"
    shown = "".join(f"\n  {line}" for line in words)
    return RunFailed(f"{where} failed: {words[-1] if words else error}", f"The log is {log.path}; it ends:{shown}")


@contextmanager
def _surroundings(root: Path, run_id: str, directory: Path) -> Iterator[None]:
    """Give the steps' processes their environment, and undo what the local runner leaves changed in this process."""
    before, shown = dict(os.environ), builtins.print
    logger = logging.getLogger()
    handlers, level = logger.handlers[:], logger.level
    python = str(Path(sys.executable).parent)
    os.environ.update(QUIET)
    # Two candidates train at once: more threads than cores make both slower.
    os.environ.update({name: os.environ.get(name, "1") for name in THREADS})
    os.environ.update(
        ARTHAFLOW_HOME=str(root),
        ARTHAFLOW_RUN_ID=run_id,
        ARTHAFLOW_RUN_DIR=str(directory),
        TMPDIR=str(directory / "tmp"),
        PATH=os.pathsep.join([python, os.environ.get("PATH", "")]),
    )
    # Each step is a process that imports much: without bytecode it compiles thousands of files before it works.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        os.environ.clear()
        os.environ.update(before)
        builtins.print = shown
        logger.handlers[:] = handlers
        logger.setLevel(level)
