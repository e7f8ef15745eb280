"""What the prediction log holds: one entry per prediction, and one per HTTP request."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any


@dataclass(slots=True)
class PredictionEntry:
    """One prediction.

    Attributes
    ----------
    prediction_id, model, version, route : str
        Which prediction, of which model, asked over which route of the product API.
    inputs, output : JSON value
        What was asked and answered; erased with the person they are about.
    value, confidence : float, optional
        The answer's main number and how sure the model is, 0 to 1.
    latency_ms : float
        Milliseconds.
    caller, user : str
        Pseudonyms (:mod:`components.records.pseudonym`) of who asked, and of the person that the data is about or
        ``""``.
    entity_type, entity_id, horizon : str
        What the prediction is about: ``instrument``, ``portfolio``, ``user``, and for how long.
    trace_id, request_id : str
        To find the request elsewhere.
    at : datetime
        UTC.
    track, experiment, variant : str
        Rollout track, and the A/B test's variant.
    cached, stale : bool
        Whether the answer came from the cache, and past its time to live.
    error : str
        Why there is no answer.
    reference : float, optional
        What the prediction starts from, today's price for tomorrow's: its direction is judged against that.
    """

    prediction_id: str
    model: str
    version: str
    route: str
    inputs: Any
    output: Any
    value: float | None
    confidence: float | None
    latency_ms: float
    caller: str
    user: str
    entity_type: str
    entity_id: str
    horizon: str
    trace_id: str
    request_id: str
    at: datetime
    track: str = ""
    cached: bool = False
    stale: bool = False
    experiment: str = ""
    variant: str = ""
    error: str = ""
    reference: float | None = None


@dataclass(slots=True)
class ServingEntry:
    """One HTTP request, the access log: who asked which model when, and how it went.

    Attributes
    ----------
    request_id, trace_id, model, version, endpoint, method : str
    status : int
        HTTP status.
    input_bytes, output_bytes : int
    queue_ms, inference_ms, total_ms : float
        Milliseconds.
    caller, role : str
        Pseudonym and role.
    client : str
        Truncated address.
    error_type, error_message : str
    at : datetime
        UTC.
    """

    request_id: str
    model: str
    version: str
    endpoint: str
    method: str
    status: int
    input_bytes: int
    output_bytes: int
    queue_ms: float
    inference_ms: float
    total_ms: float
    caller: str
    role: str
    client: str
    error_type: str
    error_message: str
    trace_id: str
    at: datetime
