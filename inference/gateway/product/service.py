"""PredictionService: one question of an application, from its checked request to its logged answer."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Protocol

import orjson

from components.errors import InvalidRequest
from components.models.product import Served
from components.records.log import PredictionLog
from inference.gateway.cache.canonical import canonical_key
from inference.gateway.cache.prediction_cache import Fetched, Fresh, PredictionCache
from inference.gateway.calls.model_calls import unanswered
from inference.gateway.envelope import now
from inference.gateway.product.columns import Columns
from inference.gateway.product.completion import Completed, Completion
from inference.gateway.product.products import Offer
from inference.gateway.product.question import FORM, Answer, Asked, Kept, Question, log_entry, metadata
from inference.gateway.product.refusal import PredictionFailed, refusal
from inference.router.backend import Response
from inference.telemetry.tracing import span
from inference.v2.client import decode_response, encode_request

if TYPE_CHECKING:
    from inference.gateway.cache.versions import VersionWatch
    from inference.gateway.calls.model_calls import ModelCalls
    from inference.gateway.experiments.assigner import Assignment
    from inference.gateway.limits.watchman import Watchman
    from inference.gateway.table import ModelTable

TRACK = b"x-model-track"


class Assigns(Protocol):
    """What the service needs of experiments."""

    def assign(self, model: str, user: str) -> Assignment | None:
        """Return the variant of a user, from memory."""
        ...


class PredictionService:
    """Asks models for applications.

    Parameters
    ----------
    table : ModelTable
    calls : ModelCalls
    cache : PredictionCache
    versions : VersionWatch
    log : PredictionLog
    assigner : Assigns
    watchman : Watchman
    completion : Completion
        Adds what a request names instead of carrying it.
    """

    def __init__(
        self,
        table: ModelTable,
        calls: ModelCalls,
        cache: PredictionCache,
        versions: VersionWatch,
        log: PredictionLog,
        assigner: Assigns,
        watchman: Watchman,
        completion: Completion,
    ) -> None:
        self.table, self.calls, self.cache = table, calls, cache
        self.versions, self.log, self.assigner, self.watchman = versions, log, assigner, watchman
        self.completion = completion
        self.columns = Columns(calls)

    async def answer(self, offer: Offer, payload: Any, asked: Asked) -> Answer:
        """Answer one question and log it.

        Raises
        ------
        ArthaflowError
            If the request is wrong, nothing serves the model, or it cannot answer. Nothing is logged as a prediction
            then; the access log holds the refusal.
        """
        self.table.find(offer.name)
        request = offer.read(payload)
        if offer.product.kept is None:
            question = Question.of(offer, Completed(request), asked)
        else:
            question = Question.of(offer, await self.completion.complete(offer, request, asked.caller), asked)
        assignment = self.assigner.assign(offer.name, question.user or asked.caller.pseudonym)
        fetched = await self._fetch(question, assignment)
        kept, data = Kept.split(fetched.value)
        entry = log_entry(question, fetched, kept, data, assignment)
        await self.log.write(entry, durable=offer.product.durable)
        if assignment is not None:
            self.watchman.metrics.assigned(str(assignment.experiment), assignment.variant)
        return Answer(data, metadata(question, fetched, kept, entry), fetched.version)

    async def _fetch(self, question: Question, assignment: Assignment | None) -> Fetched:
        name, product = question.offer.name, question.offer.product
        version = assignment.version if assignment else self.versions.current(name)

        async def compute() -> Fresh:
            return await self._ask(question, assignment)

        with span("cache", model=name):
            return await self.cache.fetch(
                name,
                version,
                canonical_key(question.plain) + FORM,
                product.lives(question.request),
                product.stands_in(question.request),
                compute,
                tag=question.user,
            )

    async def _ask(self, question: Question, assignment: Assignment | None) -> Fresh:
        name, product, asked = question.offer.name, question.offer.product, question.asked
        self.watchman.note(asked.caller, name, question.plain)
        at = datetime.now(UTC)
        at = at.replace(microsecond=at.microsecond // 1000 * 1000)  # as it is logged, so that it can be asked again
        body, own = encode_request(product.to_inputs(question.request, at))
        headers = [*asked.headers, *((k.lower().encode(), v.encode()) for k, v in own.items())]
        if assignment is not None:
            headers.append((TRACK, assignment.track.encode()))
        began = time.perf_counter()
        response = await self.calls.infer(name, headers, body)
        asked.state["inference_ms"] = (time.perf_counter() - began) * 1e3
        if response.status != 200:
            raise unanswered(name, response) or refusal(response.status, response.body)
        return await self._present(question, at, response)

    async def _present(self, question: Question, at: datetime, response: Response) -> Fresh:
        """Return what a model's server answered in the shape of the document."""
        name, product = question.offer.name, question.offer.product
        told = {header.decode("latin-1"): value.decode("latin-1") for header, value in response.headers}
        try:
            outputs, parameters = decode_response(response.body, told)
        except (ValueError, KeyError, TypeError, InvalidRequest) as error:
            raise PredictionFailed(
                f"Model {name!r} answered, but not in V2 ({type(error).__name__}).", "Report it with the request id."
            ) from error
        version = str(parameters.get("model_version") or told.get("x-model-version", ""))
        track = told.get("x-model-track", "")
        self.versions.note(name, version, track)
        generated = str(parameters.get("generated_at") or now())
        columns = await self.columns.of(name, version, response, list(question.asked.headers))
        served = Served(outputs, parameters, columns, version, generated, question.offer.spec.disclaimers)
        found = product.to_response(question.request, served)
        kept = Kept(
            _read(product.value, found),
            _read(product.reference, found),
            _read(product.confidence, found),
            at.isoformat(timespec="milliseconds"),
            parameters.get("feature_timestamps"),
            track,
        )
        return Fresh(kept.join(orjson.dumps(found.model_dump(mode="json", exclude_none=True))), version)


def _read(read: Callable[[Any], float | None] | None, found: Any) -> float | None:
    return read(found) if read else None
