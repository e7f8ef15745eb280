"""What KServe's agent tells beside a logged payload: whose it is, and where binary tensors begin in it.

The agent logs every call but the kubelet's probes, so events of metadata requests arrive too: their payload is empty.
Request headers come along only if the InferenceService's ``logger.metadataHeaders`` names them.
"""

from __future__ import annotations

import json
import re
from urllib.parse import unquote

from components.cluster_names import base_name
from inference.cloudevents import Event
from inference.v2.request import LENGTH_HEADER

SERVICE, METADATA = "inferenceservicename", "metadata"


def concerns(event: Event, model: str) -> bool:
    """Return whether an event is of a model: of any of its versions, or unnamed.

    Parameters
    ----------
    model : str
        Name on the protocol, for example ``price_forecast``; its InferenceServices are ``price-forecast`` or
        ``price-forecast-v<version>``.
    """
    service = base_name(event.extensions.get(SERVICE, ""))
    base = re.escape(base_name(model))
    return not service or re.fullmatch(rf"{base}(-v[a-z0-9]+)?", service) is not None


def header_length(event: Event) -> int | None:
    """Return the length of the JSON part of a payload with binary tensors, None for a payload that is JSON alone."""
    try:
        told = json.loads(unquote(event.extensions.get(METADATA, "")))
    except ValueError:
        return None
    values = told.get(LENGTH_HEADER) if isinstance(told, dict) else None
    first = values[0] if isinstance(values, list) and values else values
    return int(first) if isinstance(first, str) and first.isdigit() else None
