"""The explainer: its own server, which knows a model only through the V2 protocol.

``POST /v1/models/{name}:explain`` is the route that KServe sends to an explainer (V2 has none);
``/v2/models/{name}/explain`` does the same on the explainer's own host. Both take ``{"instances": [...]}`` or a V2 body
``{"inputs": [...]}``, and ``{"parameters": {"kind": ..., "output": "price.1_day", "relative_to": "close"}}`` with the
kind's own options beside them. Kinds that explain the whole model take no instances; their answers are kept for each
version, and a request that comes before one is done is answered 503 with Retry-After.

Run it with ``python -m inference.explainer --artifact DIR --model_name N --predictor_host H:P --http_port P``; under
``.venv-explain`` it explains with Alibi too, elsewhere with our own methods alone.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from math import inf
from pathlib import Path
from threading import Event, Lock, Thread
from time import monotonic
from typing import Any

import numpy as np
import orjson
from fastapi import APIRouter, Request
from fastapi.responses import Response
from prometheus_client import Counter, Histogram

import inference.hosting as hosting
from components.catalog import get_spec
from components.data.dataset import Dataset
from components.errors import ArthaflowError
from components.models.spec import ExplainerSpec, ModelSpec
from components.registry.artifact import Artifact, read_artifact
from inference.arguments import parse, predictor_arguments, run, server_parser
from inference.explain.kinds import METHODS, pick
from inference.explain.packing import Packing
from inference.explain.problem import Problem, find_parts, find_target
from inference.explain.question import Question, QuestionReader
from inference.explain.served import ServedModel, Watch, watching
from inference.explain.whole_model import StillComputing, WholeModelAnswers
from inference.telemetry import tracing
from inference.upstream import Upstream

SECONDS = Histogram("arthaflow_explain_seconds", "Time of one explanation", ["model", "kind"])
ERRORS = Counter("arthaflow_explain_errors_total", "Refused or failed explain requests", ["model", "status"])


def build_problem(artifact: Artifact, spec: ModelSpec, upstream: Upstream, budget_rows: int) -> Problem:
    """Return what is to be explained, from the artifact's schema and background rows."""
    packing = Packing(artifact.input_schema)
    background = Dataset.read(artifact.directory / "model" / "background.parquet")
    target = find_target(artifact.output_schema, spec.explainer)
    return Problem(
        packing=packing,
        background=packing.pack(background.inputs),
        contexts=packing.context(background.inputs),
        predict=ServedModel(upstream),
        target=target,
        seed=spec.explainer.seed,
        budget_rows=budget_rows,
        task=spec.task,
        outputs=artifact.output_schema,
        model_directory=artifact.directory / "model",
        parts=find_parts(artifact.input_schema, artifact.output_schema, spec.explainer),
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
    spec : ExplainerSpec
        The model's declaration.
    wait_s : float
        How long a request waits for an explanation of the whole model, seconds.
    timeout_s : float
        How long such an explanation may take, seconds.
    """

    def __init__(
        self,
        name: str,
        problem: Problem,
        kind: str,
        spec: ExplainerSpec | None = None,
        wait_s: float = 20.0,
        timeout_s: float = 600.0,
    ) -> None:
        super().__init__(name)
        self.problem = problem
        self.kind = kind
        self.timeout_s = timeout_s
        self.reader = QuestionReader(problem, kind, spec or ExplainerSpec())
        self.kept = WholeModelAnswers(wait_s)
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
        """Stop warming up, and what is under way."""
        self._stop.set()
        self.kept.close()

    def answer(self, question: Question) -> dict[str, Any]:
        """Explain every row of a question."""
        problem = self.problem.asked(question.output, question.relative_to)
        kind, explanations = METHODS[question.kind], []
        for row, context in zip(question.rows, question.contexts, strict=True):
            with self._turn, self._timed(question) as watch:
                explanation = kind(problem.at(context), row, question.options)
                explanations.append({**explanation, **_facts(watch)})
        return {"model_name": self.name, "explanations": explanations}

    async def answer_of_the_model(self, question: Question) -> dict[str, Any]:
        """Explain the whole model, or return what was computed for this version before.

        Raises
        ------
        StillComputing
            If it takes longer than a request waits.
        """
        problem = self.problem.asked(question.output, question.relative_to)

        def compute() -> dict[str, Any]:
            with self._timed(question) as watch:
                explanation = METHODS[question.kind](problem, None, question.options)
                return {**explanation, **_facts(watch)}

        version = await asyncio.to_thread(self._version)
        key = (version, question.kind, question.output, question.relative_to, question.options.model_dump_json())
        explanation, cached = await self.kept.get(key, question.kind, compute)
        return {"model_name": self.name, "explanations": [{**explanation, "cached": cached}]}

    @contextmanager
    def _timed(self, question: Question) -> Iterator[Watch]:
        limit = self.timeout_s if question.whole_model else inf
        step = tracing.span("explain", model=self.name, explain_kind=question.kind)
        with step, SECONDS.labels(self.name, question.kind).time(), watching(Watch(limit, self._stop)) as watch:
            yield watch

    def _version(self) -> str:
        """Return the version that answers now."""
        with watching(Watch(stop=self._stop)) as watch:
            self._first()(self.problem.background[:1])
        return watch.version

    def _first(self) -> Problem:
        """Return the problem of explaining the background's first row."""
        return self.problem.asked("", "").at(self.problem.beside(np.arange(1)))

    async def _handle(self, name: str, request: Request) -> Response:
        try:
            self.check_name(name)
            length = request.headers.get("inference-header-content-length")
            question = self.reader.read(await request.body(), int(length) if length and length.isdigit() else None)
            if question.whole_model:
                answer = await self.answer_of_the_model(question)
            else:
                answer = await asyncio.to_thread(self.answer, question)
            return Response(orjson.dumps(answer), media_type="application/json")
        except StillComputing as error:
            if "respond-async" not in request.headers.get("prefer", ""):
                ERRORS.labels(self.name, error.status).inc()
                raise
            # RFC 7240: the gateway asks for it, so that waiting does not look like failing to its circuit breaker.
            told = {"error": error.problem, "remedy": error.remedy}
            return Response(orjson.dumps(told), 202, {"retry-after": f"{error.retry_after_s:.0f}"}, "application/json")
        except ArthaflowError as error:
            ERRORS.labels(self.name, error.status).inc()
            raise

    def _warm_up(self) -> None:
        while not self._stop.is_set():
            try:
                self.answer(Question(self.problem.background[:1], self.kind, (self._first().context,)))
            except ArthaflowError as error:
                self._reason = f"the predictor cannot be asked: {error}"
                self._stop.wait(1.0)
            else:
                self._reason = ""
                return


def _facts(watch: Watch) -> dict[str, Any]:
    return {"model_version": watch.version, "seconds": round(monotonic() - watch.began, 3)}


def main(arguments: Sequence[str]) -> None:
    """Serve an artifact's explainer."""
    parser = server_parser(__doc__.split("\n")[0])
    predictor_arguments(parser)
    parser.add_argument("--artifact", type=Path, required=True, help="directory of the model's artifact")
    parser.add_argument("--kind", default="", help=f"{', '.join(METHODS)}; default: the spec's first that can run here")
    parser.add_argument("--wait_seconds", type=float, default=20.0, help="wait for an explanation of the whole model")
    parser.add_argument("--whole_model_seconds", type=float, default=600.0, help="longest such explanation")
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
    explainer = Explainer(
        options.model_name,
        problem,
        pick(spec.explainer, options.kind, problem),
        spec.explainer,
        options.wait_seconds,
        options.whole_model_seconds,
    )
    hosting.serve(explainer, options.host, options.http_port)


if __name__ == "__main__":
    run(main, "explainer")
