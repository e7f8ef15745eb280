"""Merging of calls into batches for one served model, and where they are predicted: here, or in a thread."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING

import numpy as np

from components.errors import ArthaflowError
from inference.binding import Inputs
from inference.served_model import ServedModel
from inference.v2.datatypes import Array
from inference.v2.response import BatchAnswer

if TYPE_CHECKING:
    from inference.dataplane import Call


class Batch:
    """Calls that are predicted together."""

    __slots__ = ("calls", "inputs", "rows", "served")

    def __init__(self, served: ServedModel, calls: list[Call], inputs: list[Inputs]) -> None:
        self.served = served
        self.calls = calls
        self.inputs = inputs
        self.rows = sum(call.rows for call in calls)

    def merged(self) -> Inputs:
        """Return the calls' inputs, one after the other."""
        if len(self.inputs) == 1:
            return self.inputs[0]
        return {name: np.concatenate([i[name] for i in self.inputs]) for name in self.inputs[0]}


class Batcher:
    """Collects the calls for one served model and predicts them.

    Parameters
    ----------
    served : ServedModel
        The model.
    finish : callable
        Takes a predicted batch and its answer.
    fail : callable
        Takes a call and its error.
    """

    def __init__(
        self,
        served: ServedModel,
        finish: Callable[[Batch, BatchAnswer], None],
        fail: Callable[[Call, ArthaflowError], None],
    ) -> None:
        self.served = served
        self._finish = finish
        self._fail = fail
        self._waiting: deque[tuple[Call, Inputs]] = deque()
        self._thread: ThreadPoolExecutor | None = None
        self._busy = False
        self._retired = False

    def add(self, call: Call, inputs: Inputs) -> None:
        """Queue a bound call."""
        self._waiting.append((call, inputs))

    def retire(self) -> None:
        """Finish what is queued, then let the thread go; the model has been replaced."""
        self._retired = True
        self._let_go()

    def run(self) -> None:
        """Predict what is queued: at once if the model is fast, else in a thread while further calls gather."""
        while self._waiting and not self._busy:
            batch = self._take()
            if not self.served.is_slow(batch.rows):
                self._predict_here(batch)
                continue
            valid = self._validate(batch)
            if valid is not None:
                self._predict_in_thread(valid)

    def _take(self) -> Batch:
        """Take calls until the next one would exceed the model's largest batch, or has axes of other lengths."""
        call, first = self._waiting.popleft()
        calls, inputs, rows = [call], [first], call.rows
        while self._waiting and rows + self._waiting[0][0].rows <= self.served.max_batch:
            if self.served.variable and not _alike(first, self._waiting[0][1]):
                break
            call, more = self._waiting.popleft()
            calls.append(call)
            inputs.append(more)
            rows += call.rows
        return Batch(self.served, calls, inputs)

    def _validate(self, batch: Batch) -> Batch | None:
        """Return the batch without the calls that are invalid, which are refused; None if none is left."""
        merged = batch.merged()
        if self.served.validator.check(merged):
            batch.inputs = [merged]
            return batch
        good: list[tuple[Call, Inputs]] = []
        for call, inputs in zip(batch.calls, batch.inputs, strict=True):
            try:
                self.served.validator.explain(inputs)
                good.append((call, inputs))
            except ArthaflowError as error:
                self._fail(call, error)
        return Batch(self.served, [c for c, _ in good], [i for _, i in good]) if good else None

    def _predict_here(self, batch: Batch) -> None:
        valid = self._validate(batch)
        if valid is None:
            return
        try:
            outputs = self.served.predict(valid.merged(), valid.rows)
        except ArthaflowError as error:
            self._retry_alone(valid, error)
            return
        self._finish(valid, self.served.answer(outputs))

    def _predict_in_thread(self, batch: Batch) -> None:
        if self._thread is None:
            self._thread = ThreadPoolExecutor(1, thread_name_prefix=f"predict-{self.served.name}")
        self._busy = True
        loop = asyncio.get_running_loop()
        future = self._thread.submit(self.served.predict, batch.merged(), batch.rows)
        future.add_done_callback(lambda done: loop.call_soon_threadsafe(self._predicted, batch, done))

    def _predicted(self, batch: Batch, done: Future[dict[str, Array]]) -> None:
        self._busy = False
        error = done.exception()
        if error is None:
            self._finish(batch, self.served.answer(done.result()))
        elif isinstance(error, ArthaflowError):
            self._retry_alone(batch, error)
        else:
            raise error
        self.run()
        self._let_go()

    def _retry_alone(self, batch: Batch, error: ArthaflowError) -> None:
        """Predict each call of a failed batch alone, so that only the one that fails is told so."""
        if len(batch.calls) == 1:
            self._fail(batch.calls[0], error)
            return
        merged, start = batch.merged(), 0
        for call in batch.calls:
            rows = {name: array[start : start + call.rows] for name, array in merged.items()}
            start += call.rows
            alone = Batch(self.served, [call], [rows])
            try:
                outputs = self.served.predict(rows, call.rows)
            except ArthaflowError as own:
                self._fail(call, own)
            else:
                self._finish(alone, self.served.answer(outputs))

    def _let_go(self) -> None:
        if self._retired and self._thread is not None and not self._busy and not self._waiting:
            self._thread.shutdown(wait=False)
            self._thread = None


def _alike(one: Inputs, other: Inputs) -> bool:
    return all(array.shape[1:] == other[name].shape[1:] for name, array in one.items())
