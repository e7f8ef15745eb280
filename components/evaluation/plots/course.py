"""A rollout read from the events of its history: weights, looks, rates, and how it ended."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from components.evaluation.plots import formats as f

Event = Mapping[str, Any]
ENDINGS = {
    "promoted": ("promoted", "good"),
    "rolled_back": ("rolled back", "bad"),
    "held": ("held for a person", "warn"),
}
NAN = float("nan")


def split_rollouts(events: Iterable[Event]) -> list[list[Event]]:
    """Cut a history that holds several rollouts where each one starts."""
    parts: list[list[Event]] = []
    for event in events:
        if event.get("event") in ("started", "recovered") and not (parts and _opening(parts[-1])):
            parts.append([])
        if parts:
            parts[-1].append(event)
    return parts


def _opening(part: Sequence[Event]) -> bool:
    """Whether a rollout has recovered from an earlier one but not started yet."""
    return all(e.get("event") == "recovered" for e in part)


@dataclass(frozen=True)
class Look:
    """One judgement: what both versions did since the step began, times in seconds after the start."""

    at: float
    since: float
    step: int
    outcome: str
    action: str
    reason: str
    stable: Mapping[str, Any]
    canary: Mapping[str, Any]
    moved: float | None


@dataclass(frozen=True)
class Course:
    """A rollout, read from its events."""

    version: str
    stable: str
    began: float
    lasted: float
    ending: tuple[str, str]
    reason: str
    weights: tuple[tuple[float, float], ...]
    looks: tuple[Look, ...]
    limits: Mapping[str, Any]

    @classmethod
    def of(cls, events: Sequence[Event]) -> Course:
        """Read a course."""
        start = next(e for e in events if e.get("event") == "started")
        zero = float(start["time"])
        last = events[-1]
        steps = [(float(e["time"]) - zero, float(e["step"])) for e in events if e.get("event") == "step"]
        ended = float(last["time"]) - zero
        final = {"promoted": 100.0, "rolled_back": 0.0}.get(str(last.get("event")))
        weights = [(0.0, 0.0), *steps] + ([(ended, final)] if final is not None else [])
        return cls(
            str(start.get("version", "?")),
            str(start.get("stable_version", "?")),
            zero,
            ended,
            ENDINGS.get(str(last.get("event")), ("not finished", "warn")),
            str(last.get("reason", "")),
            tuple(weights),
            tuple(_look(e, zero) for e in events if e.get("event") == "judged"),
            (start.get("plan") or {}).get("limits") or {},
        )


def _look(event: Event, zero: float) -> Look:
    judgement = event.get("judgement") or {}
    moved = next((c.get("value") for c in judgement.get("checks") or () if c.get("name") == "predictions"), None)
    at = float(event["time"]) - zero
    return Look(
        at,
        float(event.get("since", event["time"])) - zero,
        int(event["step"]),
        str(judgement.get("outcome")),
        str(event.get("action")),
        str(judgement.get("reason", "")),
        event.get("stable") or {},
        event.get("canary") or {},
        f.finite(moved),
    )


def p95(window: Mapping[str, Any]) -> float:
    """95th percentile of a window's latencies, ms (nearest rank); NaN without answers."""
    latencies = window.get("latencies_ms") or ()
    return float(latencies[max(0, int(np.ceil(0.95 * len(latencies))) - 1)]) if latencies else NAN


def error_rate(window: Mapping[str, Any]) -> float:
    """Share of failed requests; NaN without requests."""
    return window.get("errors", 0) / window["requests"] if window.get("requests") else NAN


def rates(looks: Sequence[Look], track: str) -> list[float]:
    """Requests per second since the look before; windows grow from the start of their step."""
    out, previous = [], None
    for look in looks:
        same = previous is not None and previous.step == look.step
        before = getattr(previous, track).get("requests", 0) if same and previous else 0
        since = previous.at if same and previous else look.since
        own = look.step < 100 or track == "canary"  # at 100 % the stable window is an earlier one, kept for comparison
        amount = getattr(look, track).get("requests", 0) - before
        out.append(amount / (look.at - since) if own and look.at > since else 0.0 if not own else NAN)
        previous = look
    return out
