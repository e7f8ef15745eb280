"""``python -m components.records.drainer``: carries journals into the database, a child process of whoever writes one.

It reads its parent's journal, and those that dead writers left. When the parent is gone, by whatever death, it drains
what there is and ends. While the database is away it waits, and the journal grows up to its writer's bound.
"""

from __future__ import annotations

import argparse
import contextlib
import logging
import os
import select
import signal
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy.exc import DBAPIError

from components.errors import ArthaflowError
from components.records.anchors import Anchoring
from components.records.chain import Head
from components.records.database import Database, RecordsUnavailable, open_database
from components.records.journal import Position
from components.records.keys import audit_key
from components.records.landing import Landing, PositionMoved
from components.records.migrations import HEAD
from components.records.segments import Segments, alive, claim
from components.settings import Settings, settings

log = logging.getLogger(__name__)
NICE = 10
GATHER_S = 0.5
"""How long predictions gather before they are carried on, unless somebody waits for one: a transaction of hundreds of
rows costs little more than one of ten, and the processor is its parent's."""
LOOK_S = 30.0
"""How often journals of dead writers are looked for."""
BACKOFF_S = (0.1, 5.0)
DYING_S = 10.0
"""How long a parent whose words have ended may take to let go of its journal."""
ORPHAN_S = 60.0
"""How long a drainer without a parent waits for a database that is away; the next start goes on."""


@dataclass
class _Source:
    segments: Segments
    position: Position


class Drainer:
    """Drains one writer's journal, and those of dead ones.

    Parameters
    ----------
    folder : Path
        Of all journals.
    writer : str
        The parent's journal; empty for none, to drain what dead writers left and end.
    config : Settings
    words : int
        Handle that the parent's words come from; it ends when the parent does.
    """

    def __init__(self, folder: Path, writer: str, config: Settings, words: int = 0) -> None:
        self.folder, self.writer, self.config = folder, writer, config
        self._words = words
        self._orphan = not writer
        self._urgent = False
        self._anchoring = Anchoring(config)
        self._last = Head(0, "")

    def run(self) -> None:
        """Work until the parent is gone and everything is drained.

        Raises
        ------
        ArthaflowError
            If the database is away for long while nobody is left to wait for it.
        """
        self._landing: Landing = self._patiently(lambda: Landing(_database(self.config), audit_key(self.config)))
        own = self._own()
        looked, final = 0.0, False
        while True:
            moved = own is not None and self._carry(own)
            if self._orphan or time.monotonic() > looked + LOOK_S:
                moved |= self._adopt()
                looked = time.monotonic()
            if moved:
                self._listen(0.0 if self._orphan else GATHER_S)
            elif not self._orphan:
                self._sleep(own)
            elif own is None or final:
                break
            else:
                # Once more when the journal is final: what is unfinished at its end is torn then.
                _await_death(own)
                final = True
        self._finish(own)

    def _own(self) -> _Source | None:
        if not self.writer:
            return None
        while (segments := claim(self.folder / self.writer)) is None:
            if self._orphan:  # whoever has the journal drains it, and there is none where its folder is gone
                return None
            # A drainer before this one has the journal still; it is about to end.
            self._listen(0.2)
        return self._source(segments)

    def _source(self, segments: Segments) -> _Source:
        found = self._patiently(lambda: self._landing.position(segments.writer, segments.first()))
        return _Source(segments, found)

    def _carry(self, source: _Source) -> bool:
        """Land what lies in a journal; return whether there was something."""
        moved = False
        while True:
            # Asked first: what a dead writer left is final, what one still wrote meanwhile is not.
            living = alive(source.segments.home)
            batch = source.segments.read(source.position, alive=living)
            if not batch.records:
                source.position = batch.end
                source.segments.forget(batch.end)
                return moved
            try:
                self._last = self._patiently(lambda b=batch: self._land(source, b))  # type: ignore[misc]
            except PositionMoved:
                source.position = self._landing.position(source.segments.writer, source.position)
                continue
            moved = True
            source.position = batch.end
            source.segments.forget(batch.end)
            if source.segments.writer == self.writer:
                _say(f"{batch.end.segment} {batch.end.offset}")
            self._anchoring.see(self._last)
            if living and batch.end.offset - batch.start.offset < 2**18:
                return moved

    def _land(self, source: _Source, batch: Any) -> Head:
        return self._landing.land(batch, source.segments.quarantine, source.segments.writer)

    def _adopt(self) -> bool:
        """Drain the journals of dead writers, and remove them."""
        moved = False
        for home in sorted(self.folder.iterdir()) if self.folder.exists() else ():
            if home.name in (self.writer, "quarantine") or home.name.startswith(".") or not home.is_dir():
                continue
            if alive(home) or (segments := claim(home)) is None:
                continue
            source = self._source(segments)
            moved |= self._carry(source)
            self._remove(source)
        return moved

    def _remove(self, source: _Source) -> None:
        source.segments.remove()
        self._patiently(lambda: self._landing.forget(source.segments.writer))

    def _finish(self, own: _Source | None) -> None:
        if own is not None and not alive(own.segments.home):
            self._remove(own)
        self._anchoring.see(self._last, final=True)
        self._landing.database.close()

    def _sleep(self, own: _Source | None) -> None:
        if own is not None:
            _say(f"{own.position.segment} {own.position.offset}")
        _say("idle")
        if self._listen(LOOK_S) and not self._urgent:
            self._listen(GATHER_S)

    def _listen(self, seconds: float) -> bool:
        """Wait for the parent's words; urgent ones end the wait at once. Return whether there were any."""
        self._urgent = False
        deadline = time.monotonic() + seconds
        heard = False
        while not self._orphan and not self._urgent:
            left = deadline - time.monotonic()
            if not select.select([self._words], [], [], max(left, 0.0))[0]:
                return heard
            words = os.read(self._words, 65536)
            self._orphan = not words
            self._urgent = b"d" in words
            if not heard and seconds == LOOK_S:
                return True
            heard = True
        return heard

    def _patiently(self, work: Any) -> Any:
        """Do something with the database, again and again while it is away."""
        pause, told, since = BACKOFF_S[0], False, time.monotonic()
        while True:
            try:
                found = work()
            except (ArthaflowError, DBAPIError) as error:
                if not told:
                    log.warning("predictions wait in the journal: %s", _problem(error))
                    told = True
                if self._orphan and time.monotonic() > since + ORPHAN_S:
                    raise
                self._wait(pause)
                pause = min(pause * 2, BACKOFF_S[1])
            else:
                if told:
                    log.warning("the database is back; predictions are carried on")
                return found

    def _wait(self, seconds: float) -> None:
        """Sleep, and notice when the parent goes."""
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0:
            if self._orphan:
                time.sleep(left)
            elif select.select([self._words], [], [], left)[0]:
                self._orphan = not os.read(self._words, 65536)


def _await_death(own: _Source) -> None:
    """Wait until a parent whose words have ended lets go of its journal; the kernel closes files in turn."""
    deadline = time.monotonic() + DYING_S
    while alive(own.segments.home) and time.monotonic() < deadline:
        time.sleep(0.01)


def _database(config: Settings) -> Database:
    """Return the database; a SQLite file is brought up to date, PostgreSQL's schema is a deployment's to migrate.

    Raises
    ------
    RecordsUnavailable
        If it is away, or its schema is older than this code.
    """
    if not config.database_url.startswith("postgres"):
        return open_database(config)
    database = Database(config.records_uri)
    try:
        there = database.revision()
    except RecordsUnavailable:
        database.close()
        raise
    if there < HEAD:
        database.close()
        raise RecordsUnavailable(
            f"The records' schema is at {there or 'nothing'}, this release needs {HEAD}.",
            "Run: arthaflow records migrate",
        )
    return database


def _say(line: str) -> None:
    """Tell the parent; one that is gone needs no telling."""
    with contextlib.suppress(BrokenPipeError):
        os.write(sys.stdout.fileno(), line.encode() + b"\n")


def _problem(error: ArthaflowError | DBAPIError) -> str:
    return error.problem if isinstance(error, ArthaflowError) else f"the database refuses ({type(error.orig).__name__})"


def drain(folder: Path, config: Settings | None = None) -> None:
    """Drain what dead writers left in a folder, in this process."""
    Drainer(folder, "", config or settings()).run()


def main(argv: Sequence[str] | None = None) -> int:
    """Drain until the parent is gone; 1 where something is left for the next start."""
    made = argparse.ArgumentParser(prog="python -m components.records.drainer", description=__doc__)
    made.add_argument("--folder", type=Path, required=True, help="folder of the journals")
    made.add_argument("--writer", default="", help="the parent's journal; empty: drain what dead writers left, and end")
    args = made.parse_args(argv)
    from inference.telemetry.logs import configure  # the gateway's lines and its child's are of one form

    configure("drainer", "INFO")
    logging.getLogger("alembic").setLevel(logging.WARNING)
    os.setpgrp()  # Ctrl-C is the parent's; its session stays, in which nice values are weighed against each other
    os.nice(NICE)
    if hasattr(os, "SCHED_BATCH"):  # Linux: waking up never interrupts a process that answers somebody
        os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    try:
        Drainer(args.folder, args.writer, settings()).run()
    except (ArthaflowError, DBAPIError) as error:
        log.error("predictions are left in %s for the next start: %s", args.folder, _problem(error))
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
