"""The process of one attempt: ``python -m pipelines.jobs.child FOLDER run|undo``, started by the worker.

It ends with its worker: a worker that was killed outright must not leave an attempt behind that goes on beside the one
that takes its place.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
import traceback
from pathlib import Path
from types import FrameType
from typing import Any

from components.errors import ArthaflowError
from components.settings import settings
from pipelines.jobs.config import job_settings
from pipelines.jobs.context import PROBLEM, REQUEST, RESULT, Asked, JobContext, read_json, write_json
from pipelines.jobs.kinds import kind_of

LOOK_S = 0.5
TRACE = 20_000
"""Characters of a traceback that are kept."""


class Stopped(BaseException):
    """The worker asks this attempt to end; like an interrupt it passes every ordinary handler."""


def main(folder: Path, action: str) -> int:
    """Make one attempt; leave the result or the problem in the folder."""
    _end_with(os.getppid())
    signal.signal(signal.SIGTERM, _stop)
    raw = read_json(folder / REQUEST)
    if raw is None:
        raise SystemExit(f"{folder / REQUEST} is missing; `arthaflow jobs work` starts this process.")
    context = JobContext(Asked(**raw), folder, settings().root, job_settings())
    sys.excepthook = lambda kind, error, trace: _tell(
        folder, error, f"{kind.__name__}: {error}", "It is a fault of the program: report it with the job's log."
    )
    try:
        kind = kind_of(context.asked.kind)
        result = kind.load(action)(context)
        context.end()
        if kind.syncs:
            _sync(context, result)
        write_json(folder / RESULT, {"result": result})
    except ArthaflowError as error:
        _tell(folder, error, error.problem, error.remedy)
        return 1
    except Stopped:
        return 128 + signal.SIGTERM
    return 0


def _sync(context: JobContext, result: Any) -> None:
    from components.records.database import open_database
    from pipelines.jobs.records import bring_up

    database = open_database()
    try:
        bring_up(database, context.asked, result)
    finally:
        database.close()


def _tell(folder: Path, error: BaseException, problem: str, remedy: str) -> None:
    told = "".join(traceback.format_exception(error))
    sys.stderr.write(told)
    write_json(folder / PROBLEM, {"problem": problem, "remedy": remedy, "traceback": told[-TRACE:]})


def _stop(number: int, frame: FrameType | None) -> None:
    raise Stopped


def _end_with(parent: int) -> None:
    """Kill this process group as soon as the worker is gone."""

    def look() -> None:
        while os.getppid() == parent:
            time.sleep(LOOK_S)
        os.killpg(0, signal.SIGKILL)

    threading.Thread(target=look, name="parent", daemon=True).start()


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), sys.argv[2] if len(sys.argv) > 2 else "run"))
