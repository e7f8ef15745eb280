"""The child process that carries a journal into the database, as its parent sees it: started, woken, started anew.

The two talk in bytes. The parent writes ``d`` (now) or ``w`` (within a moment) to the child's input; the child prints
``segment offset`` when it has committed up to there, and ``idle`` when it has nothing to do until it is woken. The
child sees its input end when the parent dies, by whatever death.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import sys
from collections.abc import Callable
from pathlib import Path

from components.records.journal import Position
from components.settings import Settings

log = logging.getLogger(__name__)
PAUSE_S = (0.2, 5.0)
"""Between two starts of a child that dies: first, longest."""


class DrainChild:
    """The child of one writer.

    Parameters
    ----------
    folder : Path
        Of all journals.
    writer : str
        The parent's.
    config : Settings
        Which database, which keys.
    committed : callable
        Told each committed position.

    Attributes
    ----------
    done : Position
        Up to where this writer's journal is in the database.
    pid : int
        Of the child; 0 while there is none.
    """

    def __init__(self, folder: Path, writer: str, config: Settings, committed: Callable[[Position], None]) -> None:
        self.folder, self.writer, self.config = folder, writer, config
        self.pid = 0
        self._told = committed
        self._written = self.done = Position(1, 0)
        self._idle = False
        self._closing = False
        self._process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        """Start the child, and start it anew whenever it dies."""
        self._process = await self._spawn()
        self._watch = asyncio.create_task(self._follow(), name="prediction-log-drain")

    def wake(self, written: Position, *, urgent: bool) -> None:
        """Tell the child that there is more to read, where it would not look by itself."""
        self._written = written
        if urgent:
            self._send(b"d")
        elif self._idle:
            self._send(b"w")

    async def close(self, drain_s: float) -> None:
        """End the child's input, so that it ends when all is in the database, and wait for that up to ``drain_s``."""
        self._closing = True
        process = self._process
        if process is not None and process.stdin is not None:
            process.stdin.close()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(drain_s):
                await asyncio.shield(self._watch)
        self._watch.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._watch

    async def _spawn(self) -> asyncio.subprocess.Process:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "components.records.drainer"),
            *("--folder", str(self.folder), "--writer", self.writer),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            env=_environment(self.config),
        )
        self.pid = process.pid
        self._idle = False
        return process

    async def _follow(self) -> None:
        pause = PAUSE_S[0]
        while self._process is not None:
            before = self.done
            await self._listen(self._process)
            code = await self._process.wait()
            self.pid, self._process = 0, None
            if self._closing:
                return
            pause = PAUSE_S[0] if self.done > before else min(pause * 2, PAUSE_S[1])
            log.error("the prediction log's drainer ended with code %s; starting it again in %.1f s", code, pause)
            self._process = await self._again(pause)

    async def _again(self, pause: float) -> asyncio.subprocess.Process | None:
        """Start the child anew after a pause, again and again while the machine has no process to spare."""
        while True:
            await asyncio.sleep(pause)
            try:
                process = await self._spawn()
            except OSError as error:
                log.error("the prediction log's drainer cannot be started: %s", error.strerror)
                pause = min(pause * 2, PAUSE_S[1])
                if self._closing:
                    return None
            else:
                if self._closing and process.stdin is not None:
                    process.stdin.close()
                return process

    async def _listen(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdout is not None
        async for line in process.stdout:
            if line == b"idle\n":
                self._rest()
                continue
            segment, _, offset = line.strip().partition(b" ")
            if segment.isdigit() and offset.isdigit():
                self.done = Position(int(segment), int(offset))
                self._told(self.done)

    def _rest(self) -> None:
        """Note that the child sleeps; what was written while it fell asleep wakes it."""
        self._idle = True
        if self._written > self.done:
            self._send(b"w")

    def _send(self, word: bytes) -> None:
        self._idle = False
        process = self._process
        if process is None or process.stdin is None or process.stdin.is_closing():
            return
        # A child that has just died is started anew, and reads the journal then.
        with contextlib.suppress(ConnectionError):
            process.stdin.write(word)


def _environment(config: Settings) -> dict[str, str]:
    """Return the child's environment: this process's, with the settings that the parent works with."""
    told = {
        "ARTHAFLOW_HOME": str(config.root),
        "ARTHAFLOW_DATABASE_URL": config.database_url,
        "ARTHAFLOW_PEPPER": config.pepper.get_secret_value(),
        "ARTHAFLOW_AUDIT_KEY": config.audit_key.get_secret_value(),
        "ARTHAFLOW_AUDIT_ANCHORS": config.audit_anchors,
    }
    return {**os.environ, **told}
