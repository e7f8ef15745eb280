"""The history of rollouts: one JSON line per event, with everything that a judgement was made from.

A judgement can therefore be made again offline: :func:`replay` feeds the recorded windows to the judge of today and
compares.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from components.errors import ArthaflowError, DataRejected
from components.rollout.decide import Action, decide
from components.rollout.judge import Judgement, judge
from components.rollout.metrics import WindowMetrics
from components.rollout.plan import RolloutPlan

if TYPE_CHECKING:
    from components.rollout.archive import Archive


class EventLog(Protocol):
    """What a rollout writes its events to."""

    key: str
    """Where the events can be found again."""
    events: list[dict[str, Any]]
    """All events so far, of this process and of earlier ones."""

    def append(self, event: str, time: float, **details: Any) -> dict[str, Any]:
        """Write one event and return it."""
        ...


@dataclass
class History:
    """Appends events to a file; a crash loses at most the line that was being written.

    Parameters
    ----------
    path : Path
        The JSONL file; its folder is created.
    """

    path: Path
    events: list[dict[str, Any]] = field(default_factory=list)
    key: str = ""

    def append(self, event: str, time: float, **details: Any) -> dict[str, Any]:
        """Write one event and return it."""
        record = {"event": event, "time": time, **details}
        append_line(self.path, record)
        self.events.append(record)
        return record


class KeptHistory:
    """Writes every event through to an archive. While that cannot be reached, events wait in memory.

    Parameters
    ----------
    archive : Archive
        Where histories are kept; see :mod:`components.rollout.archive`.
    key : str
        Of this history. What it holds already is read.
    note : callable
        Told when an event could not be kept.
    """

    def __init__(self, archive: Archive, key: str, note: Callable[[str], None] = lambda words: None) -> None:
        self.archive, self.key, self._note = archive, key, note
        self.events = archive.read(key)
        self._kept = len(self.events)

    def append(self, event: str, time: float, **details: Any) -> dict[str, Any]:
        """Write one event, and those before it that could not be written, and return it."""
        record = {"event": event, "time": time, **details}
        self.events.append(record)
        try:
            while self._kept < len(self.events):
                self.archive.append(self.key, self._kept, self.events[self._kept])
                self._kept += 1
        except (ArthaflowError, OSError) as error:
            # A store that is away for a while must not end a canary that is well.
            self._note(f"The history {self.key} waits for the store: {error}")
        return record

    def write(self, path: Path) -> None:
        """Write all events to a JSONL file."""
        path.write_text("".join(json.dumps(e, allow_nan=False) + "\n" for e in self.events), encoding="utf-8")


def append_line(path: Path, event: dict[str, Any]) -> None:
    """Append one event to a JSONL file, and see it on the disk."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(event, allow_nan=False) + "\n")
        file.flush()
        os.fsync(file.fileno())


def read_history(path: Path) -> list[dict[str, Any]]:
    """Return the events of a file. A last line that a crash cut short is left out.

    Raises
    ------
    DataRejected
        If another line is not JSON; the message names it.
    """
    lines = path.read_text(encoding="utf-8").split("\n")
    events = []
    for number, line in enumerate(lines, start=1):
        if not line:
            continue
        try:
            events.append(json.loads(line))
        except json.JSONDecodeError as error:
            if number == len(lines):  # no newline after it: it was being written
                break
            raise DataRejected(
                f"{path}, line {number} is no JSON ({error}).", "Restore the file from a backup."
            ) from error
    return events


@dataclass(frozen=True)
class Replayed:
    """One judgement, as it was recorded and as it comes out today."""

    step: int
    elapsed_s: float
    recorded: Judgement
    recomputed: Judgement
    recorded_action: Action
    recomputed_action: Action

    @property
    def identical(self) -> bool:
        """Whether verdict, numbers and action are the same."""
        return self.recorded == self.recomputed and self.recorded_action == self.recomputed_action


def replay(path: Path) -> list[Replayed]:
    """Make every judgement of a history again from its recorded windows."""
    return replay_events(read_history(path))


def replay_events(events: list[dict[str, Any]]) -> list[Replayed]:
    """Make every judgement again from recorded events."""
    return list(_replay(events))


def _replay(events: list[dict[str, Any]]) -> Iterator[Replayed]:
    plan = RolloutPlan()
    for event in events:
        if event["event"] == "started":
            plan = RolloutPlan.from_dict(event["plan"])
        elif event["event"] == "judged":
            windows = [WindowMetrics.from_dict(event[name]) for name in ("stable", "canary")]
            again = judge(windows[0], windows[1], plan.limits)
            yield Replayed(
                step=event["step"],
                elapsed_s=event["elapsed_s"],
                recorded=Judgement.from_dict(event["judgement"]),
                recomputed=again,
                recorded_action=event["action"],
                recomputed_action=decide(again.outcome, event["elapsed_s"], plan),
            )
