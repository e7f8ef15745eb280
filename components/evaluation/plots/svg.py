"""Charts as inline SVG. Colours come from the page's style sheet, so that a chart follows light, dark and print."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from typing import Any

import numpy as np

from components.evaluation.plots.scale import Scale, Tick

WIDTH = 960.0


def esc(value: Any) -> str:
    """Escape text for HTML, quotes included."""
    return escape(str(value), quote=True)


def points(xs: Any, ys: Any) -> list[str]:
    """Return path data of the runs of finite points, one string a run."""
    runs: list[list[str]] = [[]]
    for x, y in zip(np.asarray(xs, dtype=float), np.asarray(ys, dtype=float), strict=True):
        if np.isfinite(x) and np.isfinite(y):
            runs[-1].append(f"{x:.1f} {y:.1f}")
        elif runs[-1]:
            runs.append([])
    return ["M" + "L".join(run) for run in runs if run]


def line(xs: Any, ys: Any, css: str) -> str:
    """Polyline through pixels; gaps where a value is missing."""
    return f'<path class="line {css}" d="{"".join(points(xs, ys))}"/>'


def area(xs: Any, low: Any, high: Any, css: str) -> str:
    """Filled band between two curves of pixels, without missing values."""
    x, a, b = (np.asarray(v, dtype=float) for v in (xs, low, high))
    keep = np.isfinite(x) & np.isfinite(a) & np.isfinite(b)
    if not keep.any():
        return ""
    there, back = points(x[keep], b[keep])[0], points(x[keep][::-1], a[keep][::-1])[0]
    return f'<path class="area {css}" d="{there}L{back[1:]}Z"/>'


def dots(xs: Any, ys: Any, css: str) -> str:
    """Many small round dots as one path (round line caps), which stays small for thousands of points."""
    pairs = zip(np.asarray(xs, dtype=float), np.asarray(ys, dtype=float), strict=True)
    data = "".join(f"M{x:.1f} {y:.1f}h0" for x, y in pairs if np.isfinite(x) and np.isfinite(y))
    return f'<path class="dots {css}" d="{data}"/>'


def circle(x: float, y: float, radius: float, css: str) -> str:
    """One marker."""
    return f'<circle class="{css}" cx="{x:.1f}" cy="{y:.1f}" r="{radius:g}"/>'


def rect(x: float, y: float, width: float, height: float, css: str, radius: float = 0) -> str:
    """One box; negative sizes are drawn the other way round."""
    x, width = (x, width) if width >= 0 else (x + width, -width)
    y, height = (y, height) if height >= 0 else (y + height, -height)
    corner = f' rx="{radius:g}"' if radius else ""
    return f'<rect class="{css}" x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}"{corner}/>'


def rule(x1: float, y1: float, x2: float, y2: float, css: str) -> str:
    """One straight line."""
    return f'<line class="{css}" x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"/>'


def text(x: float, y: float, value: Any, css: str = "", anchor: str = "start") -> str:
    """One line of escaped text; ``anchor`` is start, middle or end."""
    return f'<text class="{esc(css)}" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{esc(value)}</text>'


@dataclass(frozen=True)
class Panel:
    """One plot area with a scale each way; the y scale grows upwards."""

    x: Scale
    y: Scale

    @classmethod
    def at(
        cls, left: float, top: float, width: float, height: float, x: tuple[float, float], y: tuple[float, float]
    ) -> Panel:
        """Lay a panel out in pixels over the value ranges ``x`` and ``y``."""
        return cls(Scale(*x, left, left + width), Scale(*y, top + height, top))

    def grid(self, ticks: Sequence[Tick], title: str = "") -> str:
        """Horizontal grid lines with labels left of the panel, and the unit above them."""
        parts = [
            rule(self.x.start, self.y.one(v), self.x.stop, self.y.one(v), "grid")
            + text(self.x.start - 8, self.y.one(v) + 4, name, "tick", "end")
            for v, name in ticks
        ]
        return "".join(parts) + (text(self.x.start, self.y.stop - 10, title, "unit") if title else "")

    def bottom(self, ticks: Sequence[Tick], title: str = "") -> str:
        """X axis below the panel."""
        base = self.y.start
        parts = [rule(self.x.start, base, self.x.stop, base, "axis")]
        parts += [
            rule(self.x.one(v), base, self.x.one(v), base + 5, "axis")
            + text(self.x.one(v), base + 19, name, "tick", "middle")
            for v, name in ticks
        ]
        middle = (self.x.start + self.x.stop) / 2
        return "".join(parts) + (text(middle, base + 38, title, "unit", "middle") if title else "")


@dataclass
class Canvas:
    """A chart under construction."""

    height: float
    label: str
    width: float = WIDTH
    parts: list[str] = field(default_factory=list)
    hover: list[Mapping[str, Any]] = field(default_factory=list)

    def add(self, *parts: str) -> None:
        """Draw on top of what is there."""
        self.parts.extend(parts)

    def point(self, x: float, title: str, rows: Sequence[tuple[str, str, str]]) -> None:
        """Tell what a reader sees when the pointer is at pixel ``x``: rows of (label, value, colour class)."""
        self.hover.append({"x": round(float(x), 1), "t": title, "r": [list(row) for row in rows]})

    def render(self, top: float = 0, bottom: float = 0) -> str:
        """Return the SVG element, followed by its hover data where there is any."""
        crosshair = rule(0, top, 0, bottom or self.height, "crosshair") if self.hover else ""
        interactive = ' tabindex="0" data-hover=""' if self.hover else ""
        svg = (
            f'<svg class="chart" role="img" aria-label="{esc(self.label)}" viewBox="0 0 {self.width:g} {self.height:g}"'
            f"{interactive}>{''.join(self.parts)}{crosshair}</svg>"
        )
        return svg + (json_block(self.hover, "hover") if self.hover else "")


def json_block(value: Any, css: str) -> str:
    """Embed JSON for the page's script; ``<`` is written as an escape so that no text can close the element."""
    body = json.dumps(value, separators=(",", ":"), ensure_ascii=False)
    safe = body.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")
    return f'<script type="application/json" class="{css}">{safe}</script>'
