"""The report is one file that needs nothing else, and a section without data says why."""

from __future__ import annotations

import errno
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from components.catalog import get_spec
from components.errors import OutOfSpace
from pipelines.report import ReportData, build_report, render
from pipelines.report.sections.rollout import value_words
from tests.support import report_example as example

EMPTY = ReportData(spec=get_spec("price_forecast"))


@pytest.fixture(scope="module")
def full() -> ReportData:
    return example.report_data()


def test_one_small_file_that_fetches_nothing(full: ReportData, tmp_path: Path) -> None:
    path = build_report(full, tmp_path / "deep" / "report.html")
    html = path.read_text(encoding="utf-8")
    assert path.stat().st_size < 3_000_000
    assert re.findall(r"""(?:src|href)=["'](?!#)[^"']*""", html) == []
    assert not re.search(r"@import|url\(", html)
    assert "default-src 'none'" in html
    assert [p.name for p in path.parent.iterdir()] == ["report.html"]


def test_every_section_stands_with_its_own_words(full: ReportData) -> None:
    html = render(full)
    anchors = re.findall(r'<section id="(\w+)"', html)
    assert anchors == ["overview", *re.findall(r'<li><a href="#(?!overview)(\w+)"', html)]
    for line in full.spec.disclaimers:
        assert line in html
    for words in ("SIMULATED", "not one failed", "make demo", "rolled back", "This example trains no model."):
        assert words in html


def test_what_is_absent_is_said_with_the_runs_reason() -> None:
    html = render(replace(EMPTY, absent={"drift": "The detector was <switched> off."}))
    assert "The detector was &lt;switched&gt; off." in html
    for section in re.findall(r'<section id="(\w+)".*?</section>', html, flags=re.S):
        body = re.search(rf'<section id="{section}".*?</section>', html, flags=re.S)
        assert body is not None
        assert 'class="absent"' in body[0] or section == "shortfalls"
    assert "This report has no backtest" in html
    assert "No gate has judged this version" in html


def test_shortfalls_are_found_in_the_numbers(full: ReportData) -> None:
    table = full.backtest
    assert table is not None
    worse = table.assign(point=table["current"] * 0.9, lower=table["current"] * 0.99, upper=table["current"] * 1.01)
    html = render(replace(full, backtest=worse))
    assert "does not beat a random walk" in html
    assert "beyond chance" in html
    assert "Not everywhere" in html


def test_failed_requests_are_not_hidden(full: ReportData) -> None:
    assert "3 requests failed" in render(replace(full, traffic={"requests": 100, "failures": 3}))


def test_a_refusal_reads_as_a_refusal(full: ReportData) -> None:
    checks = [{"name": "rmse", "passed": False, "detail": "RMSE ratio 1.2 is above the limit"}]
    html = render(replace(full, verdict={"promote": False, "reason": "Refused: RMSE.", "checks": checks}))
    assert "Refused: RMSE." in html
    assert "do not promote" in html
    assert "RMSE ratio 1.2 is above the limit" in html


def test_the_registrys_story_is_told(full: ReportData) -> None:
    one = {
        "version": "1",
        "created_at": "2026-11-21",
        "aliases": ["production"],
        "reason": "Promoted: x.",
        "outcome": "",
    }
    gone = {"version": "2", "aliases": [], "reason": "Promoted: y.", "outcome": "Rolled back: slow."}
    html = render(
        replace(full, versions={"versions": [one, gone], "refused": [{"reason": "Refused: z."}], "failed": []})
    )
    for words in ("production", "Promoted: y. Rolled back: slow.", "refused run", "Refused: z."):
        assert words in html
    assert "has no version of this model" in render(replace(full, versions={"versions": []}))


def test_a_full_disk_leaves_the_last_report(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = build_report(EMPTY, tmp_path)
    before = path.read_bytes()

    def full_disk(self: Path, target: Any) -> Path:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "replace", full_disk)
    with pytest.raises(OutOfSpace, match=r"report\.html"):
        build_report(EMPTY, tmp_path)
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["report.html"]


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("p95_ms", 2.2, "2.2\u00a0ms"),
        ("ready_seconds", 2.14, "2.1\u00a0s"),
        ("memory_mb", 187.0, "187\u00a0MB"),
        ("error_rate", 0.051, "5.10\u00a0%"),
        ("requests", 4210, "4,210"),
        ("batching", True, "yes"),
        ("engine", "onnx", "onnx"),
    ],
)
def test_facts_carry_their_unit(name: str, value: Any, words: str) -> None:
    assert value_words(name, value) == words
