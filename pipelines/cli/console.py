"""The consoles of the command line and how they show errors and numbers."""

from __future__ import annotations

import json
from typing import Any

from rich.console import Console
from rich.panel import Panel
from rich.text import Text

from components.errors import ArthaflowError

out = Console(highlight=False)
err = Console(stderr=True, highlight=False)


def show_error(error: ArthaflowError) -> None:
    """Print what was wrong and what to do, without a traceback."""
    body = Text(error.problem)
    if error.remedy:
        body.append(f"\n{error.remedy}", style="green")
    err.print(Panel(body, title=type(error).__name__, title_align="left", border_style="red"))


def print_json(value: Any) -> None:
    """Print JSON to standard output, for scripts: no colour, no wrapping."""
    out.print(json.dumps(value, indent=2), soft_wrap=True, markup=False, highlight=False)
