"""The forwarder against a real HTTP sink: at least once, in order, and nothing lost while the sink is down."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Event as Signal

import pytest

from components.errors import ConfigurationError
from inference.cloudevents import REQUEST, RESPONSE, Event, read_events
from inference.event_forwarder import Cursor, Forwarder, SinkUnavailable, forward
from inference.payload_log import PayloadLog

Make = Callable[[Path, str], Forwarder]


class Sink:
    """Takes events and answers with the next of ``statuses``, or 202."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.statuses: list[int] = []
        sink = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                status = sink.statuses.pop(0) if sink.statuses else 202
                if status < 300:
                    sink.events += read_events({k.lower(): v for k, v in self.headers.items()}, body)
                self.send_response(status)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:
                """Stay quiet."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def sink() -> Iterator[Sink]:
    running = Sink()
    yield running
    running.close()


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "payload.db"
    writer = PayloadLog(path)
    for i, (model, status) in enumerate([("tiny", 200), ("tiny", 400), ("other", 200), ("tiny", 200)]):
        writer.append(f"id-{i}", model, "3", status, 1.5, f'{{"inputs":[{i}]}}'.encode(), b'{"outputs":[]}')
    writer.close()
    return path


@pytest.fixture
def make() -> Iterator[Callable[[Path, str], Forwarder]]:
    made: list[Forwarder] = []

    def build(log: Path, url: str) -> Forwarder:
        made.append(Forwarder(log, url, "tiny", Cursor(log.with_suffix(".cursor"))))
        return made[-1]

    yield build
    for forwarder in made:
        forwarder.close()


def test_requests_are_always_sent_and_responses_only_of_success(log: Path, sink: Sink, make: Make) -> None:
    forward(make(log, sink.url), once=True, stop=Signal(), poll_s=0.01)
    assert [(e.id, e.type) for e in sink.events] == [
        ("id-0", REQUEST),
        ("id-0", RESPONSE),
        ("id-1", REQUEST),
        ("id-3", REQUEST),
        ("id-3", RESPONSE),
    ]
    assert sink.events[0].data == b'{"inputs":[0]}'
    names = ("inferenceservicename", "namespace", "component", "modelversion", "sequence")
    assert [sink.events[3].extensions[n] for n in names] == ["tiny", "default", "predictor", "3", "4"]


def test_a_restart_goes_on_where_the_cursor_stands(log: Path, sink: Sink, make: Make) -> None:
    forward(make(log, sink.url), once=True, stop=Signal(), poll_s=0.01)
    writer = PayloadLog(log)
    writer.append("id-4", "tiny", "3", 200, 1.0, b"{}", b"{}")
    writer.close()
    forward(make(log, sink.url), once=True, stop=Signal(), poll_s=0.01)
    assert [e.id for e in sink.events].count("id-4") == 2
    assert len(sink.events) == 7


def test_a_sink_that_fails_midway_gets_the_row_again(log: Path, sink: Sink, make: Make) -> None:
    sink.statuses = [202, 503]
    forwarder = make(log, sink.url)
    with pytest.raises(SinkUnavailable, match="503"):
        forwarder.step()
    assert forwarder.cursor.rowid == 0, "the response of the first row was not acknowledged"
    forwarder.step()
    ids = [(e.id, e.type) for e in sink.events]
    assert ids.count(("id-0", REQUEST)) == 2, "at least once: the acknowledged half of the row is repeated"
    assert ids.count(("id-0", RESPONSE)) == 1
    assert Cursor(forwarder.cursor.path).rowid == 4


def test_a_sink_that_is_down_loses_nothing(log: Path, sink: Sink, make: Make) -> None:
    sink.close()
    forwarder = make(log, sink.url)
    with pytest.raises(SinkUnavailable, match="does not answer"):
        forwarder.step()
    assert forwarder.cursor.rowid == 0
    other = Sink()
    forwarder.sink = other.url
    forward(forwarder, once=True, stop=Signal(), poll_s=0.01)
    assert len(other.events) == 5
    other.close()


def test_the_loop_survives_refusals_by_waiting(log: Path, sink: Sink, make: Make) -> None:
    sink.statuses = [500, 429]
    forward(make(log, sink.url), once=True, stop=Signal(), poll_s=0.01)
    assert len(sink.events) == 5


def test_an_event_that_the_sink_refuses_for_good_does_not_block_the_others(log: Path, sink: Sink, make: Make) -> None:
    sink.statuses = [400]
    forwarder = make(log, sink.url)
    forwarder.step()
    assert (forwarder.refused, forwarder.sent, forwarder.cursor.rowid) == (1, 4, 4)


def test_a_log_that_does_not_exist_yet_is_an_empty_one(tmp_path: Path, sink: Sink, make: Make) -> None:
    assert make(tmp_path / "none.db", sink.url).step() == 0


def test_a_broken_cursor_is_named(tmp_path: Path) -> None:
    path = tmp_path / "cursor"
    path.write_text("x")
    with pytest.raises(ConfigurationError, match="does not hold a number"):
        Cursor(path)
