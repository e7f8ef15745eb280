"""A page of results: what was measured, on which data, with which seeds, against which bar."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.document import header_lines


@dataclass(frozen=True)
class Bar:
    """One line of MODELS.md's "measured by", and how it came out.

    Attributes
    ----------
    what : str
        The measure and where, for example ``QLIKE against GARCH-t, SPY``.
    wanted, got : str
        With units; ``got`` with its interval or p-value.
    met : bool or None
        None where it cannot be judged; ``why`` says why. A missed bar needs a ``why`` too.
    """

    what: str
    wanted: str
    got: str
    met: bool | None
    why: str = ""


@dataclass
class Page:
    """Results of one model, written as ``docs/results/<model>.md``.

    Attributes
    ----------
    model, title : str
        Name in the catalogue, and for people.
    bars : list of Bar
        First on the page.
    parts : list of str
        Markdown sections: tables with baselines, intervals, seeds, and what they mean.
    files : list of Path
        Data files that were read; their SHA-256 is told.
    seeds : list of int
        Of everything random.
    """

    model: str
    title: str
    bars: list[Bar] = field(default_factory=list)
    parts: list[str] = field(default_factory=list)
    files: list[Path] = field(default_factory=list)
    seeds: list[int] = field(default_factory=list)

    def table(self, header: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
        """Add a table; floats with four significant digits."""
        lines = [list(map(str, header)), ["---"] * len(header), *([_cell(c) for c in row] for row in rows)]
        self.parts.append("\n".join("| " + " | ".join(line) + " |" for line in lines))

    def text(self, paragraph: str) -> None:
        """Add a paragraph or a heading."""
        self.parts.append(paragraph.strip())

    def markdown(self) -> str:
        """Return the whole page."""
        facts = [
            *header_lines(),
            f"- Seeds: {', '.join(map(str, self.seeds)) or 'nothing random'}.",
            *(f"- Data: `{p.name}`, SHA-256 `{_sha256(p)[:16]}`." for p in self.files),
        ]
        bars = Page(self.model, self.title)
        bars.table(
            ("measured", "bar", "got", "met", "why not, or note"),
            [
                (b.what, b.wanted, b.got, {True: "yes", False: "**no**", None: "not judged"}[b.met], b.why)
                for b in self.bars
            ],
        )
        return (
            "\n\n".join([f"# {self.title}", "\n".join(facts), "## Against the bars", *bars.parts, *self.parts]) + "\n"
        )


def _cell(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value).replace("|", "\\|").replace("\n", " ")


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
