"""Figures, tables and pages in HTML; every text passes through escaping."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

from components.evaluation.plots.svg import esc


class Html(str):
    """Text that is HTML already and is not escaped again."""


def inline(value: Any) -> str:
    """Escape ``value`` unless it is :class:`Html`."""
    return str(value) if isinstance(value, Html) else esc(value)


def paragraph(value: Any, css: str = "") -> str:
    """One paragraph."""
    return f"<p{_css(css)}>{inline(value)}</p>"


def figure(chart: str, caption: Any, legend: Sequence[tuple[str, str]] = (), note: Any = "") -> str:
    """Wrap a chart with its legend (pairs of colour class and text) and caption."""
    keys = "".join(f'<li><i class="key {esc(css)}"></i>{esc(name)}</li>' for css, name in legend)
    keys = f'<ul class="legend">{keys}</ul>' if keys else ""
    small = f"<small>{inline(note)}</small>" if note else ""
    return (
        f'<figure>{keys}<div class="plot">{chart}<div class="tip" hidden></div></div>'
        f"<figcaption>{inline(caption)}{small}</figcaption></figure>"
    )


def table(
    caption: Any, header: Sequence[Any], rows: Sequence[Sequence[Any]], emphasis: Mapping[int, str] | None = None
) -> str:
    """Table with a caption; the first column holds row headers, ``emphasis`` maps row numbers to classes."""
    head = "".join(f'<th scope="col">{inline(cell)}</th>' for cell in header)
    body = []
    for index, row in enumerate(rows):
        first, *rest = row
        cells = "".join(f"<td>{inline(cell)}</td>" for cell in rest)
        body.append(f'<tr{_css((emphasis or {}).get(index, ""))}><th scope="row">{inline(first)}</th>{cells}</tr>')
    return (
        '<div class="scroll" tabindex="0" role="region" '
        f'aria-label="{esc(caption)}"><table><caption>{inline(caption)}</caption>'
        f"<thead><tr>{head}</tr></thead><tbody>{''.join(body)}</tbody></table></div>"
    )


def facts(pairs: Sequence[tuple[Any, Any]]) -> str:
    """Definition list of names and values."""
    items = "".join(f"<div><dt>{inline(name)}</dt><dd>{inline(value)}</dd></div>" for name, value in pairs)
    return f'<dl class="facts">{items}</dl>'


def missing(reason: Any) -> str:
    """What stands where a section has no data."""
    return f'<p class="absent"><strong>Not in this report.</strong> {inline(reason)}</p>'


def badge(value: Any, kind: str) -> Html:
    """A short verdict; ``kind`` is good, bad, warn or plain. The words carry the meaning, the colour repeats it."""
    return Html(f'<span class="badge {esc(kind)}">{esc(value)}</span>')


def page(title: str, body: str) -> str:
    """One self-contained HTML page: style and script inline, nothing loaded from anywhere."""
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<meta name="color-scheme" content="light dark">'
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'; "
        "script-src 'unsafe-inline'; img-src data:\">"
        f"<title>{esc(title)}</title><style>{_asset('style.css')}</style></head>\n<body>{body}"
        f"<script>{_asset('hover.js')}{_asset('explorer.js')}</script></body></html>\n"
    )


@lru_cache(maxsize=4)
def _asset(name: str) -> str:
    """Read a file that ships beside this module."""
    return Path(__file__).with_name(name).read_text(encoding="utf-8")


def _css(name: str) -> str:
    return f' class="{esc(name)}"' if name else ""
