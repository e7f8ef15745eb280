"""What each model's drift detector says, asked over HTTP, beside document 0's limits."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any, Literal

import httpx
from pydantic import BaseModel, Field

from inference.gateway.table import Entry

KS_P_VALUE = 0.05
"""Document 0: a feature has drifted below this p-value (here corrected for the number of features)."""

PSI = 0.2
"""Document 0: the population has drifted above this index."""

TIMEOUT_S = 5.0
Watched = Literal["drift", "no_drift", "insufficient", "not_watched", "unreachable"]


class ColumnDrift(BaseModel):
    """One test of one column."""

    test: str = Field(examples=["ks"])
    column: str = Field(description="tensor.column; * for a test of all columns at once", examples=["features.rsi_14"])
    statistic: float = Field(examples=[0.31])
    p_value: float = Field(examples=[0.0004])
    drift: bool = Field(examples=[True])


class ModelDrift(BaseModel):
    """Whether one model is asked about other rows than it was trained on."""

    model: str = Field(examples=["price_forecast"])
    outcome: Watched = Field(examples=["drift"])
    sentence: str = Field(examples=["3 of 30 columns drifted: features.rsi_14, ..."])
    rows: int | None = Field(default=None, description="rows in the window", examples=[512])
    rows_needed: int | None = Field(default=None, description="smallest window that is judged", examples=[380])
    drifted_columns: list[str] = Field(default_factory=list, examples=[["features.rsi_14"]])
    largest_psi: float | None = Field(default=None, examples=[0.27])
    above_document_psi: bool | None = Field(default=None, description="largest_psi > 0.2", examples=[True])
    results: list[ColumnDrift] = Field(default_factory=list)


async def ask_all(entries: Mapping[str, Entry], timeout_s: float = TIMEOUT_S) -> list[ModelDrift]:
    """Ask the detectors of all models at once; one that does not answer in time delays nobody further."""
    limits = httpx.Limits(max_connections=32)
    async with httpx.AsyncClient(timeout=timeout_s, trust_env=False, limits=limits) as client:
        return list(await asyncio.gather(*(_ask(client, name, entry) for name, entry in sorted(entries.items()))))


async def _ask(client: httpx.AsyncClient, model: str, entry: Entry) -> ModelDrift:
    if entry.detector_url is None:
        return ModelDrift(model=model, outcome="not_watched", sentence="No detector watches this model.")
    headers = {"host": entry.detector_host} if entry.detector_host else {}
    try:
        answer = await client.get(f"{entry.detector_url.rstrip('/')}/v1/drift", headers=headers)
        told = answer.json() if answer.status_code == 200 else None
    except (httpx.HTTPError, ValueError) as error:
        return _unreachable(model, type(error).__name__)
    if not isinstance(told, dict) or told.get("outcome") not in ("drift", "no_drift", "insufficient"):
        return _unreachable(model, f"status {answer.status_code}")
    return read(model, told)


def read(model: str, told: Mapping[str, Any]) -> ModelDrift:
    """Return a detector's verdict as this API shows it."""
    results = [
        ColumnDrift(
            test=r["detector"], column=r["column"], statistic=r["statistic"], p_value=r["p_value"], drift=r["drift"]
        )
        for r in told.get("results", [])
    ]
    psi = max((r.statistic for r in results if r.test == "psi"), default=None)
    return ModelDrift(
        model=model,
        outcome=told["outcome"],
        sentence=str(told.get("sentence", "")),
        rows=told.get("rows"),
        rows_needed=told.get("min_rows"),
        drifted_columns=list(told.get("drifted", [])),
        largest_psi=psi,
        above_document_psi=None if psi is None else psi > PSI,
        results=results,
    )


def _unreachable(model: str, why: str) -> ModelDrift:
    return ModelDrift(model=model, outcome="unreachable", sentence=f"The model's detector does not answer ({why}).")
