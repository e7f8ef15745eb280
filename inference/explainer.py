"""The explainer: its own server, which knows a model only through the V2 protocol.

``POST /v1/models/{name}:explain`` is the route that KServe sends to an explainer (V2 has none);
``/v2/models/{name}/explain`` does the same on the explainer's own host. Both take ``{"instances": [...]}`` or a V2 body
``{"inputs": [...]}``, and ``{"parameters": {"kind": ..., "output": "price.1_day", "relative_to": "close"}}``.

Run it with ``python -m inference.explainer --artifact DIR --model_name N --predictor_host H:P --http_port P``; under
``.venv-explain`` it explains with Alibi, elsewhere with our own permutation method.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Event, Lock, Thread
from time import perf_counter
from typing import Any

import numpy as np
import orjson
from fastapi import APIRouter, Request
from fastapi.responses import Response
from prometheus_client import Counter, Histogram

import inference.hosting as hosting
from components.catalog import get_spec
from components.data.dataset import Dataset
from components.errors import ArthaflowError, InvalidRequest
from components.models.spec import ModelSpec
from components.registry.artifact import Artifact, read_artifact
from inference.arguments import parse, predictor_arguments, run, server_parser
from inference.binding import Binder
from inference.explain.kinds import METHODS, available, pick
from inference.explain.packing import Packing
from inference.explain.problem import Problem, find_target
from inference.telemetry import tracing
from inference.upstream import Upstream
from inference.v2 import parse_request

MAX_INSTANCES = 16
SECONDS = Histogram("arthaflow_explain_seconds", "Time of one explanation", ["model", "kind"])
ERRORS = Counter("arthaflow_explain_errors_total", "Refused or failed explain requests", ["model", "status"])


@dataclass(frozen=True)
class Question:
    """A decoded explain request."""

    rows: np.ndarray[Any, Any]
    kind: str
    output: str = ""
    relative_to: str = ""


def build_problem(artifact: Artifact, spec: ModelSpec, upstream: Upstream, budget_rows: int) -> Problem:
    """Return what is to be explained, from the artifact's schema and background rows."""
    packing = Packing(artifact.input_schema)
    background = Dataset.read(artifact.directory / "model" / "background.parquet")
    target = find_target(artifact.output_schema, spec.explainer)
    return Problem(
        packing=packing,
        background=packing.pack(background.inputs),
        predict=lambda batch, output: upstream.infer(batch, (output,))[0],
        target=target,
        seed=spec.explainer.seed,
        budget_rows=budget_rows,
        task=spec.task,
        outputs=artifact.output_schema,
    )


class Explainer(hosting.Surrounding):
    """Answers explain requests, one at a time: each already asks the predictor for thousands of rows.

    Parameters
    ----------
    name : str
        Model name on the protocol.
    problem : Problem
        What is explained.
    kind : str
        Method when a request names none.
    """

    def __init__(self, name: str, problem: Problem, kind: str) -> None:
        super().__init__(name)
        self.problem = problem
        self.kind = kind
        self.binder = Binder(problem.packing.schema)
        self._reason = "warming up: no explanation has been computed yet"
        self._turn = Lock()
        self._stop = Event()

    def routes(self) -> APIRouter:
        """See :class:`~inference.hosting.Surrounding`."""
        router = APIRouter()
        for path in ("/v1/models/{name}:explain", "/v2/models/{name}/explain"):
            router.add_api_route(path, self._handle, methods=["POST"], response_model=None)
        return router

    def not_ready_because(self) -> str:
        """Ready once one real explanation of a background row has been computed through the predictor."""
        return self._reason

    def begin(self) -> None:
        """Warm up in the background: Alibi's import alone takes about 9 s."""
        Thread(target=self._warm_up, name="warm-up", daemon=True).start()

    def finish(self) -> None:
        """Stop warming up."""
        self._stop.set()

    def answer(self, question: Question) -> dict[str, Any]:
        """Explain every row of a question."""
        problem = self.problem.asked(question.output, question.relative_to)
        explanations = []
        for row in question.rows:
            step = tracing.span("explain", model=self.name, explain_kind=question.kind)
            with self._turn, SECONDS.labels(self.name, question.kind).time(), step:
                start = perf_counter()
                problem.calls = 0
                explanation = METHODS[question.kind](problem, row)
                explanations.append({**explanation, "seconds": round(perf_counter() - start, 3)})
        return {"model_name": self.name, "explanations": explanations}

    def read(self, body: bytes, header_length: int | None = None) -> Question:
        """Decode the body of an explain request.

        Raises
        ------
        InvalidRequest
            With the path of what does not fit.
        """
        if header_length is not None:
            return self._read_v2(body, header_length, {})
        try:
            raw = orjson.loads(body)
        except orjson.JSONDecodeError as error:
            raise InvalidRequest(f"malformed JSON: {error}", "Send one JSON object.", path="body") from error
        if not isinstance(raw, dict):
            raise InvalidRequest("the body is not a JSON object", 'Send {"instances": [...]}.', path="body")
        parameters = raw.get("parameters") or {}
        if not isinstance(parameters, dict):
            raise InvalidRequest("not an object", 'Send {"kind": ...}.', path="parameters")
        if "inputs" in raw:
            return self._read_v2(body, None, parameters)
        instances = raw.get("instances")
        if not isinstance(instances, list) or not instances:
            raise InvalidRequest("a non-empty list is required", 'Send {"instances": [...]}.', path="instances")
        schema = self.problem.packing.schema
        batches = [self.problem.packing.read_instance(v, f"instances[{i}]") for i, v in enumerate(instances)]
        return self._question({n: np.concatenate([b[n] for b in batches]) for n in schema.names}, parameters)

    def _read_v2(self, body: bytes, header_length: int | None, parameters: Mapping[str, Any]) -> Question:
        batch, _ = self.binder.bind(parse_request(body, header_length))
        return self._question(batch, parameters)

    def _question(self, batch: Mapping[str, np.ndarray[Any, Any]], parameters: Mapping[str, Any]) -> Question:
        packing = self.problem.packing
        packing.schema.validate(batch)
        rows = packing.pack(batch)
        if not 0 < len(rows) <= MAX_INSTANCES:
            raise InvalidRequest(f"{len(rows)} instances", f"Send 1 to {MAX_INSTANCES} per request.", path="instances")
        kind = str(parameters.get("kind") or self.kind)
        if kind not in METHODS or not available(kind):
            here = ", ".join(k for k in METHODS if available(k))
            raise InvalidRequest(f"{kind!r} cannot run on this server", f"Use one of {here}.", path="parameters.kind")
        question = Question(rows, kind, str(parameters.get("output") or ""), str(parameters.get("relative_to") or ""))
        self.problem.asked(question.output, question.relative_to)
        return question

    async def _handle(self, name: str, request: Request) -> Response:
        try:
            self.check_name(name)
            length = request.headers.get("inference-header-content-length")
            question = self.read(await request.body(), int(length) if length and length.isdigit() else None)
            answer = await asyncio.to_thread(self.answer, question)
            return Response(orjson.dumps(answer), media_type="application/json")
        except ArthaflowError as error:
            ERRORS.labels(self.name, error.status).inc()
            raise

    def _warm_up(self) -> None:
        while not self._stop.is_set():
            try:
                self.answer(Question(self.problem.background[:1], self.kind))
            except ArthaflowError as error:
                self._reason = f"the predictor cannot be asked: {error}"
                self._stop.wait(1.0)
            else:
                self._reason = ""
                return


def main(arguments: Sequence[str]) -> None:
    """Serve an artifact's explainer."""
    parser = server_parser(__doc__.split("\n")[0])
    predictor_arguments(parser)
    parser.add_argument("--artifact", type=Path, required=True, help="directory of the model's artifact")
    parser.add_argument("--kind", default="", help=f"{', '.join(METHODS)}; default: the spec's first that can run here")
    parser.add_argument("--budget_rows", type=int, default=8192, help="model rows that one explanation may cost")
    options = parse(parser, arguments)
    tracing.setup("arthaflow-explainer", model=options.model_name)
    artifact = read_artifact(options.artifact)
    spec = get_spec(options.spec or artifact.model_name)
    upstream = Upstream(
        options.predictor_host,
        options.model_name,
        options.predictor_request_timeout_seconds,
        options.predictor_request_retries,
    )
    problem = build_problem(artifact, spec, upstream, options.budget_rows)
    hosting.serve(
        Explainer(options.model_name, problem, pick(spec.explainer, options.kind)), options.host, options.http_port
    )


if __name__ == "__main__":
    run(main, "explainer")
