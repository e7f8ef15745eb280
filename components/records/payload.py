"""What of a prediction the hash chain vouches for, and its digest.

Columns that are filled later (actual values, explanations) are not among it. The salt keeps whoever has only the digest
of an erased prediction from testing guesses against it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from typing import Any

from components.records.canonical import canonical

COLUMNS = (
    "prediction_id",
    "model_name",
    "model_version",
    "route",
    "input_features",
    "output",
    "prediction_value",
    "reference_value",
    "confidence",
    "latency_ms",
    "caller",
    "user_pseudonym",
    "entity_type",
    "entity_id",
    "prediction_horizon",
    "trace_id",
    "request_id",
    "created_at",
    "track",
    "cached",
    "stale",
    "experiment",
    "variant",
    "error",
)
"""Of ``ml_predictions``. One that is NULL is not in the payload: digests stay true when a release adds a column."""
_DECIMALS = frozenset({"prediction_value", "reference_value", "confidence"})


def payload_digest(row: Mapping[str, Any]) -> str:
    """Return the digest of a prediction, from its row as it goes into the database or comes out.

    Parameters
    ----------
    row : mapping
        Columns by name, ``salt`` among them.

    Returns
    -------
    str
        SHA-256 over salt and canonical payload, 64 hexadecimal digits.
    """
    return hashlib.sha256(bytes.fromhex(row["salt"]) + canonical(told(row, COLUMNS))).hexdigest()


def body_digest(body: Mapping[str, Any]) -> str:
    """Return the digest of an entry that is no prediction; its body holds nothing that anybody would guess at."""
    return hashlib.sha256(canonical(body)).hexdigest()


def told(row: Mapping[str, Any], names: Iterable[str]) -> dict[str, Any]:
    """Return the named columns of a prediction that are not NULL, as JSON that is the same from both databases."""
    return {name: _told(name, row[name]) for name in names if row[name] is not None}


def _told(name: str, value: Any) -> Any:
    if name == "created_at":
        return value.isoformat(timespec="microseconds")
    if name in _DECIMALS:
        # PostgreSQL takes a float into a DECIMAL with 15 digits.
        return float(f"{value:.15g}")
    return value
