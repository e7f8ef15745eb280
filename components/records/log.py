"""The prediction log as a serving process sees it: a record is in a file before its prediction is acknowledged.

What is written within one turn of the event loop goes out in one ``write(2)``. The database is written by a child
process, so that neither its waits nor its work are the event loop's.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import orjson

from components.errors import ArthaflowError, InvalidRequest
from components.records.drain_child import DrainChild
from components.records.entries import PredictionEntry, ServingEntry
from components.records.framing import LARGEST, frame
from components.records.journal import Journal, Position
from components.records.json_text import without_nul
from components.settings import Settings, settings

__all__ = ["LogBehind", "LogNotDurable", "PredictionEntry", "PredictionLog", "ServingEntry"]

BACKLOG_BYTES = 2**30
DURABLE_TIMEOUT_S = 10.0
SERVE_DELAY_S = 0.05
TURN_S = 60.0
"""How long what is in the database may lie in the journal still: personal data is forgotten there too."""
_OPTIONS = orjson.OPT_SERIALIZE_NUMPY
_NUL = rb"\u0000"


class LogBehind(ArthaflowError):
    """More waits for the database than the journal may hold."""

    status = 503
    code = "PREDICTION_LOG_BEHIND"
    retry_after_s = 2.0


class LogNotDurable(ArthaflowError):
    """A prediction that must be in the database before it is answered is not there in time."""

    status = 503
    code = "PREDICTION_NOT_DURABLE"
    retry_after_s = 5.0


class PredictionLog:
    """The prediction log of one serving process.

    Parameters
    ----------
    folder : Path
        Where journals lie; that of other processes too.
    config : Settings, optional
        Which database, which keys; this process's by default.
    backlog_bytes : int
        Most bytes that wait for the database; above them predictions are refused.
    durable_timeout_s : float
        Longest wait for the database of a durable write.
    """

    def __init__(
        self,
        folder: Path,
        config: Settings | None = None,
        *,
        backlog_bytes: int = BACKLOG_BYTES,
        durable_timeout_s: float = DURABLE_TIMEOUT_S,
    ) -> None:
        self.folder = folder
        self.config = config or settings()
        self.backlog_bytes = backlog_bytes
        self.durable_timeout_s = durable_timeout_s
        self._waiting: list[bytes] = []
        self._writers: list[tuple[int, asyncio.Future[Position]]] = []
        self._urgent = False
        self._started = False
        self._timer: asyncio.TimerHandle | None = None
        self._durable: list[tuple[Position, asyncio.Future[None]]] = []

    async def start(self) -> None:
        """Open the journal and start the child that carries it into the database."""
        self._loop = asyncio.get_running_loop()
        self._journal = Journal(self.folder)
        self._child = DrainChild(self.folder, self._journal.writer, self.config, self._committed)
        await self._child.start()
        self._turning = self._loop.call_later(TURN_S, self._turn)
        self._started = True

    async def write(self, entry: PredictionEntry, *, durable: bool = False) -> None:
        """Log a prediction; returns when its bytes are in the file.

        Parameters
        ----------
        entry : PredictionEntry
        durable : bool
            Return only when the database has committed it.

        Raises
        ------
        LogFull, LogUnwritable, LogBehind
            If it cannot be logged: do not answer with it.
        LogNotDurable
            If the database is not there in time.
        InvalidRequest
            If it cannot be stored at all.
        """
        if self.backlog() > self.backlog_bytes:
            raise LogBehind(
                f"{self.backlog()} bytes of predictions wait for the database, more than {self.backlog_bytes}.",
                "Ask again; the operator sees to the database.",
            )
        self._waiting.append(_frame(b"P", entry))
        self._urgent |= durable
        if not self._writers:
            self._loop.call_soon(self._flush)
        flushed: asyncio.Future[Position] = self._loop.create_future()
        self._writers.append((len(self._waiting), flushed))
        position = await flushed
        if durable:
            await self._commit(position)

    def serve(self, entry: ServingEntry) -> None:
        """Log a request; it is written with the next prediction, or within 50 ms."""
        if self.backlog() > self.backlog_bytes:
            return
        self._waiting.append(_frame(b"S", entry))
        if not self._writers and self._timer is None:
            self._timer = self._loop.call_later(SERVE_DELAY_S, self._flush)

    def backlog(self) -> int:
        """Return how many bytes of this process wait for the database; none before the start."""
        if not self._started:
            return 0
        return self._journal.written - self._journal.bytes_before(self._child.done)

    @property
    def drainer_pid(self) -> int:
        """The child's process id; 0 while there is none."""
        return self._child.pid

    async def close(self, drain_s: float = 10.0) -> None:
        """Write what waits, and let the child carry it into the database.

        Parameters
        ----------
        drain_s : float
            How long to wait for that. A child that needs longer goes on alone, and the next start takes over what it
            leaves.
        """
        if not self._started:
            return
        self._turning.cancel()
        self._flush()
        self._journal.close()
        await self._child.close(drain_s)
        self._started = False

    async def _commit(self, position: Position) -> None:
        if position <= self._child.done:
            return
        landed: asyncio.Future[None] = self._loop.create_future()
        self._durable.append((position, landed))
        try:
            async with asyncio.timeout(self.durable_timeout_s):
                await landed
        except TimeoutError as error:
            raise LogNotDurable(
                f"The database did not commit the prediction within {self.durable_timeout_s:g} s.",
                "Ask again; the operator sees to the database.",
            ) from error

    def _flush(self) -> None:
        """Write what was logged in this turn of the event loop, in one call."""
        frames, self._waiting = self._waiting, []
        writers, self._writers = self._writers, []
        urgent, self._urgent = self._urgent, False
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if not frames:
            return
        whole, refused = self._journal.append(frames)
        if whole:
            self._child.wake(self._journal.position, urgent=urgent)
        for place, flushed in writers:
            if flushed.done():
                continue
            if place <= whole:
                flushed.set_result(self._journal.position)
            elif refused is not None:
                flushed.set_exception(refused)

    def _turn(self) -> None:
        """Begin a new segment now and then, so that the old one is deleted."""
        if self._journal.turn():
            self._child.wake(self._journal.position, urgent=False)
        self._turning = self._loop.call_later(TURN_S, self._turn)

    def _committed(self, position: Position) -> None:
        """Tell whoever waits for the database."""
        waiting, self._durable = self._durable, []
        for wanted, landed in waiting:
            if landed.done():
                continue
            if wanted <= position:
                landed.set_result(None)
            else:
                self._durable.append((wanted, landed))


def _frame(kind: bytes, entry: Any) -> bytes:
    try:
        body = orjson.dumps(entry, option=_OPTIONS)
    except orjson.JSONEncodeError as error:
        raise InvalidRequest(f"The prediction cannot be logged: {error}.", "Send plain JSON.") from error
    if _NUL in body:
        body = orjson.dumps(without_nul(orjson.loads(body)))
    if len(body) > LARGEST:
        raise InvalidRequest(f"The prediction has {len(body)} bytes, the log takes {LARGEST}.", "Send fewer rows.")
    return frame(kind, body)
