"""A decoded explain request: which rows, by which kind, with which options."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import orjson

from components.errors import InvalidRequest
from components.models.spec import ExplainerSpec
from inference.binding import Binder
from inference.explain.kinds import METHODS, SHAP, available, pick_shap
from inference.explain.options import Options, read_options
from inference.explain.packing import Context, FloatArray, Packing
from inference.explain.problem import Problem
from inference.v2 import parse_request

Rows = Mapping[str, np.ndarray[Any, Any]]
MAX_INSTANCES = 16


@dataclass(frozen=True)
class Question:
    """A decoded explain request.

    Attributes
    ----------
    rows : ndarray of shape (n, width)
        Packed instances; none for a kind that explains the whole model.
    kind : str
        A key of :data:`~inference.explain.kinds.METHODS`.
    contexts : tuple of mapping
        What each instance holds beside its row, of one row each.
    """

    rows: FloatArray
    kind: str
    contexts: tuple[Context, ...]
    output: str = ""
    relative_to: str = ""
    options: Options = field(default_factory=Options)

    @property
    def whole_model(self) -> bool:
        """Whether it asks about the model and not about rows."""
        return METHODS[self.kind].whole_model


class QuestionReader:
    """Reads the requests to one explainer.

    Parameters
    ----------
    problem : Problem
        What is explained.
    kind : str
        Method when a request names none.
    spec : ExplainerSpec
        Says which Shapley values ``shap`` means.
    """

    def __init__(self, problem: Problem, kind: str, spec: ExplainerSpec) -> None:
        self.problem, self.kind, self.spec = problem, kind, spec
        self.binder = Binder(problem.packing.schema)

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
        kind = self._kind(parameters)
        if METHODS[kind].whole_model:
            return self._about_the_model(raw, parameters, kind)
        if "inputs" in raw:
            return self._read_v2(body, None, parameters)
        instances = raw.get("instances")
        if not isinstance(instances, list) or not instances:
            raise InvalidRequest("a non-empty list is required", 'Send {"instances": [...]}.', path="instances")
        packing = self.problem.packing
        batches = [packing.read_instance(v, f"instances[{i}]") for i, v in enumerate(instances)]
        return self._question(_alike(packing, batches), parameters)

    def _about_the_model(self, raw: Mapping[str, Any], parameters: Mapping[str, Any], kind: str) -> Question:
        for name in ("instances", "inputs"):
            if raw.get(name):
                raise InvalidRequest(f"{kind!r} explains the whole model", "Leave it out.", path=name)
        return self._asked([], kind, parameters)

    def _read_v2(self, body: bytes, header_length: int | None, parameters: Mapping[str, Any]) -> Question:
        batch, _ = self.binder.bind(parse_request(body, header_length))
        return self._question([batch], parameters)

    def _question(self, batches: Sequence[Rows], parameters: Mapping[str, Any]) -> Question:
        packing = self.problem.packing
        for batch in batches:
            packing.schema.validate(batch)
        count = sum(len(batch[packing.schema.names[0]]) for batch in batches)
        if not 0 < count <= MAX_INSTANCES:
            raise InvalidRequest(f"{count} instances", f"Send 1 to {MAX_INSTANCES} per request.", path="instances")
        return self._asked(batches, self._kind(parameters), parameters)

    def _kind(self, parameters: Mapping[str, Any]) -> str:
        kind = str(parameters.get("kind") or self.kind)
        if kind == SHAP:
            return self._fitting(pick_shap(self.spec))
        if kind not in METHODS or not available(kind):
            here = ", ".join(k for k in METHODS if available(k))
            raise InvalidRequest(f"{kind!r} cannot run on this server", f"Use one of {here}.", path="parameters.kind")
        return self._fitting(kind)

    def _fitting(self, kind: str) -> str:
        lacking = METHODS[kind].missing(self.problem)
        if not lacking:
            return kind
        fit = ", ".join(k for k in METHODS if available(k) and not METHODS[k].missing(self.problem))
        raise InvalidRequest(f"{kind!r} cannot explain it: {lacking}", f"Use one of {fit}.", path="parameters.kind")

    def _asked(self, batches: Sequence[Rows], kind: str, parameters: Mapping[str, Any]) -> Question:
        options = read_options(METHODS[kind].options, parameters)
        output, relative_to = str(parameters.get("output") or ""), str(parameters.get("relative_to") or "")
        self.problem.asked(output, relative_to)
        packing = self.problem.packing
        rows = [packing.pack(batch) for batch in batches]
        beside = [packing.context(batch) for batch in batches]
        contexts = tuple(_row(c, i) for packed, c in zip(rows, beside, strict=True) for i in range(len(packed)))
        packed = np.concatenate(rows) if rows else np.empty((0, packing.width))
        return Question(packed, kind, contexts, output, relative_to, options)


def _row(context: Context, at: int) -> Context:
    return {name: values[at : at + 1] for name, values in context.items()}


def _alike(packing: Packing, batches: Sequence[Rows]) -> Sequence[Rows]:
    """Return one batch where every instance has the same fixed shape, so that a refusal counts the rows."""
    if packing.held:
        return batches
    return [{name: np.concatenate([batch[name] for batch in batches]) for name in packing.schema.names}]
