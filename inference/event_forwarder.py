"""Sends the payload log to a sink as the CloudEvents that KServe's agent would send.

Each logged request becomes an event of type ``org.kubeflow.serving.inference.request`` and, where it was answered with
200, one of type ``...response`` with the same id. The place in the log is kept in a cursor file that moves only after
the sink has acknowledged: a restart sends an event twice rather than never, and while the sink is down nothing is lost.

Run it with ``python -m inference.event_forwarder --payload_log F --sink URL --model_name N``; ``--once`` drains and
exits.
"""

from __future__ import annotations

import argparse
import hashlib
import logging
import os
import signal
import socket
from collections.abc import Iterator, Sequence
from pathlib import Path
from threading import Event as Signal

import httpx

from components.errors import ArthaflowError, ConfigurationError
from inference.arguments import parse, run
from inference.cloudevents import REQUEST, RESPONSE, Event, binary_headers
from inference.payload_log import PayloadRecord, read_since

LOG = logging.getLogger("arthaflow.forwarder")
BATCH = 200
LONGEST_PAUSE_S = 30.0


class SinkUnavailable(ArthaflowError):
    """The sink did not take an event; the cursor stands before it."""

    status = 503


class Cursor:
    """The number of the last row that the sink has acknowledged, in a file of its own.

    Parameters
    ----------
    path : Path
        Replaced as a whole with each move, so that a crash leaves the old number or the new one.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self.rowid = int(path.read_text(encoding="ascii")) if path.exists() else 0
        except ValueError as error:
            raise ConfigurationError(
                f"The cursor {path} does not hold a number.", "Delete it to send the whole log again."
            ) from error

    def move(self, rowid: int) -> None:
        """Remember that everything up to ``rowid`` has been delivered."""
        scratch = self.path.with_name(f".{self.path.name}.{os.getpid()}")
        scratch.write_text(str(rowid), encoding="ascii")
        scratch.replace(self.path)
        self.rowid = rowid


class Forwarder:
    """Moves rows from a payload log to a sink.

    Parameters
    ----------
    log : Path
        SQLite file that the predictor writes.
    sink : str
        URL that takes CloudEvents by POST.
    model : str
        Sent as ``inferenceservicename``; rows of other models are passed over.
    namespace : str
        Sent as ``namespace``.
    cursor : Cursor
        Where to go on.
    timeout_s : float
        For each event.
    mode : str
        ``all``, or ``request`` for requests alone, as KServe's ``logger.mode``.
    """

    def __init__(
        self,
        log: Path,
        sink: str,
        model: str,
        cursor: Cursor,
        namespace: str = "default",
        timeout_s: float = 10.0,
        mode: str = "all",
    ) -> None:
        self.mode = mode
        self.log = log
        self.sink = sink
        self.model = model
        self.namespace = namespace
        self.cursor = cursor
        self.sent = 0
        self.refused = 0
        self._client = httpx.Client(timeout=timeout_s, trust_env=False)

    def close(self) -> None:
        """Close the connection to the sink."""
        self._client.close()

    def step(self) -> int:
        """Deliver the next rows of the log; return how many were read.

        Raises
        ------
        SinkUnavailable
            If the sink is down, overloaded or answers with a server error; what came before is delivered and
            remembered.
        """
        records = read_since(self.log, self.cursor.rowid, BATCH)
        done = self.cursor.rowid
        try:
            for record in records:
                if record.model == self.model:
                    for event in self.events(record):
                        self._post(event, record.time)
                done = record.rowid
        finally:
            if done != self.cursor.rowid:
                self.cursor.move(done)
        return len(records)

    def events(self, record: PayloadRecord) -> Iterator[Event]:
        """Yield the events of one logged request, as KServe's agent makes them."""
        extensions = {
            "inferenceservicename": self.model,
            "namespace": self.namespace,
            "component": "predictor",
            "endpoint": "",
            "modelversion": record.version,
            "sequence": str(record.rowid),
        }
        source = f"http://{socket.gethostname()}/{self.log.name}"
        yield Event(record.id, source, REQUEST, record.request, extensions)
        if record.status == 200 and self.mode == "all":
            yield Event(record.id, source, RESPONSE, record.response, extensions)

    def _post(self, event: Event, time_s: float) -> None:
        try:
            answer = self._client.post(self.sink, content=event.data, headers=binary_headers(event, time_s))
        except httpx.TransportError as error:
            raise SinkUnavailable(
                f"The sink {self.sink} does not answer ({type(error).__name__}: {error}).", "Start it; nothing is lost."
            ) from error
        if answer.status_code in (408, 429) or answer.status_code >= 500:
            raise SinkUnavailable(
                f"The sink {self.sink} answered {answer.status_code}: {answer.text[:200]}", "Nothing is lost."
            )
        if answer.status_code >= 400:
            # The sink will refuse this event every time; holding the others back for it would stop the flow for good.
            self.refused += 1
            LOG.warning("the sink refused event %s (%d): %s", event.id, answer.status_code, answer.text[:200])
            return
        self.sent += 1


def forward(forwarder: Forwarder, once: bool, stop: Signal, poll_s: float) -> None:
    """Deliver until stopped, or until the log is drained when ``once``; wait longer and longer while the sink is down.

    Raises
    ------
    SinkUnavailable
        If ``once`` and the sink stays down for about half a minute.
    """
    pause, failures = 0.2, 0
    while not stop.is_set():
        try:
            moved = forwarder.step()
        except SinkUnavailable as error:
            failures += 1
            if once and failures > 8:
                raise
            if failures == 1:
                LOG.warning("%s", error)
            stop.wait(pause)
            pause = min(2 * pause, LONGEST_PAUSE_S)
            continue
        if failures:
            LOG.warning("the sink %s takes events again", forwarder.sink)
        pause, failures = 0.2, 0
        if not moved:
            if once:
                return
            stop.wait(poll_s)


def cursor_path(log: Path, sink: str, model: str) -> Path:
    """Return where the cursor of a log is kept: beside it, one per sink and model."""
    digest = hashlib.sha256(f"{sink} {model}".encode()).hexdigest()[:12]
    return log.with_name(f"{log.name}.{digest}.cursor")


def backlog(log: Path, sink: str, model: str) -> bool:
    """Return whether the log holds rows that the sink has not acknowledged."""
    return bool(read_since(log, Cursor(cursor_path(log, sink, model)).rowid, 1))


def main(arguments: Sequence[str]) -> None:
    """Forward a payload log."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0], allow_abbrev=False)
    parser.add_argument("--payload_log", type=Path, required=True, help="SQLite file that the predictor writes")
    parser.add_argument("--sink", required=True, help="URL that takes CloudEvents by POST")
    parser.add_argument("--model_name", required=True, help="sent as inferenceservicename")
    parser.add_argument("--namespace", default="default", help="sent as namespace")
    parser.add_argument("--mode", choices=("all", "request"), default="all", help="request: no response events")
    parser.add_argument("--cursor", type=Path, default=None, help="default: beside the log, one per sink")
    parser.add_argument("--poll_seconds", type=float, default=0.5, help="pause when there is nothing to send")
    parser.add_argument("--once", action="store_true", help="send what is there and exit")
    options = parse(parser, arguments)
    stop = Signal()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    cursor = Cursor(options.cursor or cursor_path(options.payload_log, options.sink, options.model_name))
    forwarder = Forwarder(
        options.payload_log, options.sink, options.model_name, cursor, options.namespace, mode=options.mode
    )
    try:
        forward(forwarder, options.once, stop, options.poll_seconds)
    finally:
        forwarder.close()
        LOG.warning("sent %d events, %d refused; stopped at row %d", forwarder.sent, forwarder.refused, cursor.rowid)


if __name__ == "__main__":
    run(main, "event-forwarder")
