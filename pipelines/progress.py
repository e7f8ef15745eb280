"""StepProgress: shows a person which steps run, which are done and how long they took."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any, Self

from rich.console import Console
from rich.markup import escape
from rich.progress import Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn


class StepProgress:
    """Prints a line for every finished step, and on a terminal a spinner for every running one.

    Parameters
    ----------
    console : Console, optional
        Where to print; the process's standard output of this moment when None.
    """

    def __init__(self, console: Console | None = None) -> None:
        # The local runner's output is redirected while it runs, so the stream must be fixed before.
        self.console = console or Console(file=sys.stdout)
        self.console.file = self.console.file
        columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
        self._spinner = Progress(
            *columns, console=self.console, transient=True, redirect_stdout=False, redirect_stderr=False
        )
        self._running: dict[str, TaskID] = {}

    def __enter__(self) -> Self:
        if self.console.is_terminal:
            self._spinner.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self.console.is_terminal:
            self._spinner.stop()

    def handle(self, event: Mapping[str, Any]) -> None:
        """Show one event of a step."""
        name = title(event)
        if event["event"] == "note":
            self.console.print(f"[dim]· {escape(event['text'])}[/dim]", highlight=False)
            return
        if event["event"] == "start":
            self._running[name] = self._spinner.add_task(name)
            return
        if name in self._running:
            self._spinner.remove_task(self._running.pop(name))
        if event["event"] == "end":
            self.console.print(f"[green]✓[/green] {name:<28} [dim]{event['seconds']:6.1f} s[/dim]", highlight=False)
        else:
            self.console.print(f"[red]✗[/red] {name}", highlight=False)


def title(event: Mapping[str, Any]) -> str:
    """Return the name of a step for people, for example ``train xgboost``."""
    return f"{event['step']} {event['label']}".strip()
