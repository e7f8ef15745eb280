"""Schedules as Kubeflow Pipelines reads them: six fields, seconds first."""

from __future__ import annotations

import re
from calendar import day_abbr, month_abbr

from components.errors import ConfigurationError

MONTHS = {month.lower(): n for n, month in enumerate(month_abbr) if month}
DAYS = {"sun": 0, **{day.lower(): n for n, day in enumerate(day_abbr[:-1], 1)}}
FIELDS: tuple[tuple[str, int, int, dict[str, int]], ...] = (
    ("second", 0, 59, {}),
    ("minute", 0, 59, {}),
    ("hour", 0, 23, {}),
    ("day of the month", 1, 31, {}),
    ("month", 1, 12, MONTHS),
    ("day of the week", 0, 6, DAYS),
)
PART = re.compile(r"^(\*|\?|[0-9a-z]+(-[0-9a-z]+)?)(/(\d+))?$")


def check_cron(cron: str) -> str:
    """Return the schedule, with single spaces.

    Raises
    ------
    ConfigurationError
        If it has not six fields, or one of them cannot be read; five fields are Kubernetes' own form, and the message
        says what they are here.
    """
    words = cron.split()
    if len(words) == len(FIELDS) - 1:
        raise ConfigurationError(
            f"The schedule {cron!r} has 5 fields, as a CronJob's.",
            f"Kubeflow takes six, seconds first: '{from_five(cron)}'.",
        )
    if len(words) != len(FIELDS):
        raise ConfigurationError(
            f"The schedule {cron!r} has {len(words)} fields.", "Use six, seconds first: '0 0 2 * * *' is 02:00:00."
        )
    for word, (name, low, high, names) in zip(words, FIELDS, strict=True):
        for part in word.split(","):
            if not _fits(part.lower(), low, high, names):
                raise ConfigurationError(
                    f"The schedule {cron!r} has {part!r} as its {name}.",
                    f"Use *, or numbers from {low} to {high}, as 5, 1-5, */10 or 1,3.",
                )
    return " ".join(words)


def from_five(cron: str) -> str:
    """Return Kubeflow's form of a five-field schedule: at second 0; Sunday is 0."""
    *start, day = cron.split()
    return " ".join(["0", *start, re.sub(r"\b7\b", "0", day)])


def _fits(part: str, low: int, high: int, names: dict[str, int]) -> bool:
    found = PART.match(part)
    if found is None or (found[4] is not None and int(found[4]) == 0):
        return False
    if found[1] in "*?":
        return True
    numbers = [names.get(n, int(n) if n.isdigit() else -1) for n in found[1].split("-")]
    return all(low <= n <= high for n in numbers) and numbers == sorted(numbers)
