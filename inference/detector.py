"""The drift detector: a sink for the payload log's CloudEvents, which keeps a window of served rows and judges it.

``POST /`` takes events in binary, structured or batch mode and acknowledges at once; a background thread judges.
``GET /v1/drift`` returns the verdict, ``POST /v1/drift/reset`` empties the window, ``GET /metrics`` exports it all.

Run it with ``python -m inference.detector --artifact DIR --model_name N --http_port P``; under ``.venv-explain`` the
spec's Alibi Detect tests run too.
"""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from threading import Event as Signal
from threading import Lock, Thread
from typing import Any

import orjson
from fastapi import APIRouter, Request, Response

import inference.hosting as hosting
from components.catalog import get_spec
from components.data.dataset import Dataset
from components.errors import InvalidRequest
from components.models.spec import DriftSpec
from components.registry.artifact import read_artifact
from inference.agent_events import concerns, header_length
from inference.arguments import parse, run, server_parser
from inference.binding import Binder
from inference.cloudevents import REQUEST, SYNTHETIC, Event, read_events
from inference.drift import metrics
from inference.drift.columns import Columns
from inference.drift.judge import judge, required_rows
from inference.drift.result import FloatArray, Verdict
from inference.drift.window import Window
from inference.telemetry import tracing
from inference.v2 import parse_request

LOG = logging.getLogger("arthaflow.detector")
REMEMBERED = 20_000
"""Event ids kept, so that an event that is delivered twice counts once."""


class Detector(hosting.Surrounding):
    """Judges the rows that one model was asked about.

    Parameters
    ----------
    name : str
        Model name on the protocol.
    spec : DriftSpec
        Detectors, columns, level, power, effect.
    columns : Columns
        What is watched.
    binder : Binder
        Decodes requests by the model's input schema.
    reference : ndarray of shape (m, k)
        Watched columns of training rows.
    window : Window
        Watched columns of served rows.
    pause_s : float
        Shortest time between two judgements in the background.
    """

    def __init__(
        self,
        name: str,
        spec: DriftSpec,
        columns: Columns,
        binder: Binder,
        reference: FloatArray,
        window: Window,
        pause_s: float = 1.0,
    ) -> None:
        super().__init__(name)
        self.spec = spec
        self.columns = columns
        self.binder = binder
        self.reference = reference
        self.window = window
        self.pause_s = pause_s
        self.verdict: Verdict | None = None
        self._seen: OrderedDict[tuple[str, str, str], None] = OrderedDict()
        self._judged_at = -1
        self._turn, self._taking = Lock(), Lock()
        self._news, self._stop = Signal(), Signal()

    def routes(self) -> APIRouter:
        """See :class:`~inference.hosting.Surrounding`."""
        router = APIRouter()
        router.add_api_route("/", self._receive, methods=["POST"], response_model=None)
        router.add_api_route("/v1/drift", self._show, methods=["GET"], response_model=None)
        router.add_api_route("/v1/drift/reset", self._reset, methods=["POST"], response_model=None)
        return router

    def not_ready_because(self) -> str:
        """Ready once the spec's tests have run here once (Alibi Detect's import takes about 6 s)."""
        return "" if self.verdict is not None else "warming up: the drift tests have not run yet"

    def begin(self) -> None:
        """Start the judging thread."""
        Thread(target=self._work, name="judge", daemon=True).start()

    def finish(self) -> None:
        """Stop the judging thread."""
        self._stop.set()
        self._news.set()

    def take(self, event: Event) -> str:
        """Take in one event; return ``taken``, ``ignored`` (no client's request of this model) or ``duplicate``.

        Raises
        ------
        InvalidRequest
            If its payload is no V2 request that fits the model's schema.
        """
        made_up = event.id.startswith(SYNTHETIC)
        if event.type != REQUEST or made_up or not event.data or not concerns(event, self.name):
            return "ignored"
        batch, _ = self.binder.bind(parse_request(event.data, header_length(event)))
        self.binder.schema.validate(batch)
        rows = self.columns.select(batch)
        with self._taking:
            key = (event.source, event.id, event.extensions.get("sequence", ""))
            if key in self._seen:
                return "duplicate"
            self._seen[key] = None
            if len(self._seen) > REMEMBERED:
                self._seen.popitem(last=False)
            self.window.add(rows)
        self._news.set()
        return "taken"

    def current(self) -> Verdict:
        """Return the verdict on the window as it is now, judging it if it changed."""
        with self._turn:
            seen = self.window.seen
            if self.verdict is None or seen != self._judged_at:
                verdict = judge(self.spec, self.reference, self.window.snapshot(), self.columns.paths)
                if self.verdict is not None and verdict.outcome != self.verdict.outcome:
                    LOG.warning("%s: %s", self.name, verdict.sentence)
                self.verdict, self._judged_at = verdict, seen
                metrics.export(self.name, verdict)
            return self.verdict

    async def _receive(self, request: Request) -> Response:
        outcome = "malformed"
        try:
            events = read_events(request.headers, await request.body())
            outcomes = []
            for event in events:
                outcome = "refused"
                outcomes.append(await asyncio.to_thread(self.take, event))
                metrics.EVENTS.labels(self.name, outcomes[-1]).inc()
        except InvalidRequest:
            metrics.EVENTS.labels(self.name, outcome).inc()
            raise
        return _json({o: outcomes.count(o) for o in sorted(set(outcomes))}, 202)

    async def _show(self) -> Response:
        verdict = await asyncio.to_thread(self.current)
        return _json({"model": self.name, **verdict.to_dict(), "rows_seen": self.window.seen, "thin": self.window.thin})

    async def _reset(self) -> Response:
        rows = len(self.window)
        with self._taking:
            self.window.clear()
        await asyncio.to_thread(self.current)
        return _json({"cleared": rows})

    def _work(self) -> None:
        self._rehearse()
        self.current()
        while not self._stop.is_set():
            self._news.wait()
            self._news.clear()
            if not self._stop.is_set():
                self.current()
            self._stop.wait(self.pause_s)

    def _rehearse(self) -> None:
        """Run every test once on the reference itself, so that the first real judgement pays for no import."""
        rows = required_rows(self.spec, len(self.reference), len(self.columns.paths)) or 0
        judge(self.spec, self.reference, self.reference[-rows:], self.columns.paths)


def _json(value: Any, status: int = 200) -> Response:
    return Response(orjson.dumps(value), status, media_type="application/json")


def build_detector(artifact_directory: Path, name: str, options: Any) -> Detector:
    """Return the detector of an artifact; ``options`` are the parsed arguments."""
    artifact = read_artifact(artifact_directory)
    spec = get_spec(options.spec or artifact.model_name).drift
    if options.detectors:
        spec = replace(spec, detectors=tuple(options.detectors.split(",")))
    columns = Columns(artifact.input_schema, spec.columns)
    rows = columns.select(Dataset.read(artifact.directory / "model" / "reference.parquet").inputs)
    reference = rows[:: options.thin]
    needed = required_rows(spec, len(reference), len(columns.paths))
    capacity = max(options.window_rows or 2 * (needed or 1), needed or 1)
    window = Window(len(columns.paths), capacity, options.thin)
    return Detector(name, spec, columns, Binder(artifact.input_schema), reference, window)


def main(arguments: Sequence[str]) -> None:
    """Serve an artifact's drift detector."""
    parser = server_parser(__doc__.split("\n")[0])
    parser.add_argument("--artifact", type=Path, required=True, help="directory of the model's artifact")
    parser.add_argument("--detectors", default="", help="comma-separated, instead of the spec's: ks,psi,mmd,...")
    parser.add_argument("--thin", type=int, default=1, help="judge every n-th row, against dependence of neighbours")
    parser.add_argument("--window_rows", type=int, default=0, help="rows kept; default: twice the minimum")
    options = parse(parser, arguments)
    tracing.setup("arthaflow-detector", model=options.model_name)
    hosting.serve(build_detector(options.artifact, options.model_name, options), options.host, options.http_port)


if __name__ == "__main__":
    run(main, "detector")
