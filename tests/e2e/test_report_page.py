"""The report in a real browser: no complaint, nothing from the network, charts that answer, light, dark and small."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipelines.report import build_report
from tests.support.browser import Browser, find_chromium
from tests.support.report_example import report_data

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(find_chromium() is None, reason="Chromium is not installed: run `make setup-test`"),
]

FAN = "#forecast figure svg[data-hover]"
COURSE = "#rollout figure svg[data-hover]"


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    folder = tmp_path_factory.mktemp("report")
    path = build_report(report_data(), folder)
    with Browser(tmp_path_factory.mktemp("profile")) as opened:
        opened.open(path)
        yield opened


def test_nothing_complains_and_nothing_is_fetched(browser: Browser) -> None:
    assert browser.complaints() == []


def test_pointing_at_the_fan_shows_that_day(browser: Browser) -> None:
    assert browser.ask(f"document.querySelector('{FAN}').parentElement.querySelector('.tip').hidden") is True
    browser.point_at(FAN, x=0.5)
    shown = browser.ask(f"document.querySelector('{FAN}').parentElement.querySelector('.tip').innerText")
    assert re.search(r"\d+ \w{3} 20\d\d", shown)
    assert "close" in shown
    assert "in 1 month" in shown


def test_arrow_keys_move_the_crosshair(browser: Browser) -> None:
    browser.ask(f"document.querySelector('{FAN}').focus()")
    browser.press("Home")
    at = f"Number(document.querySelector('{FAN} .crosshair').getAttribute('x1'))"
    first = browser.ask(at)
    browser.press("ArrowRight")
    assert browser.ask(at) > first
    browser.press("Escape")
    assert browser.ask(f"document.querySelector('{FAN}').classList.contains('on')") is False


def test_pointing_at_the_rollout_shows_the_judgement(browser: Browser) -> None:
    browser.point_at(COURSE, x=0.95)
    shown = browser.ask(f"document.querySelector('{COURSE}').parentElement.querySelector('.tip').innerText")
    assert "canary requests" in shown
    assert re.search(r"success|failure|inconclusive", shown)


def test_the_slider_draws_another_fan(browser: Browser) -> None:
    drawn = "document.querySelector('svg[data-explorer]').innerHTML"
    before = browser.ask(drawn)
    assert "<path" in before
    assert "came" in browser.ask("document.querySelector('svg[data-explorer]').textContent")
    browser.ask("document.querySelector('[data-go=last]').click()")
    assert browser.ask(drawn) != before


@pytest.mark.parametrize("width", [360, 768, 1200])
def test_the_page_never_scrolls_sideways(browser: Browser, width: int) -> None:
    browser.resize(width, 800)
    assert browser.ask("document.documentElement.scrollWidth") <= width


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_contrasts_with_its_ground(browser: Browser, scheme: str) -> None:
    browser.scheme(scheme)
    browser.resize(1200, 800)
    style = "getComputedStyle(document.documentElement).getPropertyValue"
    colours = {name: browser.ask(f"{style}('--{name}').trim()") for name in ("paper", "card", "wash", *INKS)}
    for ground in ("paper", "card", "wash"):
        for ink in INKS:
            assert contrast(colours[ink], colours[ground]) >= 4.5, f"{ink} on {ground}, {scheme}"


INKS = ("ink", "soft", "model", "good", "bad", "warn")


def contrast(one: str, other: str) -> float:
    """Contrast ratio of WCAG 2.2."""

    def luminance(colour: str) -> float:
        parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        red, green, blue = (c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4 for c in parts)
        return 0.2126 * red + 0.7152 * green + 0.0722 * blue

    high, low = sorted((luminance(one), luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def test_every_chart_has_a_name_and_every_table_a_caption(browser: Browser) -> None:
    assert browser.ask(
        "[...document.querySelectorAll('svg')].every(s => (s.getAttribute('aria-label') || '').length > 20)"
    )
    assert browser.ask("[...document.querySelectorAll('table')].every(t => t.caption && t.caption.textContent)")
    assert browser.ask("document.querySelectorAll('h1').length") == 1
    links = browser.ask("[...document.querySelectorAll('nav a')].filter(a => !document.querySelector(a.hash)).length")
    assert links == 0


def test_it_prints(browser: Browser, tmp_path: Path) -> None:
    import base64

    pdf = base64.b64decode(browser.send("Page.printToPDF", printBackground=True)["data"])
    assert pdf.startswith(b"%PDF")
    (tmp_path / "report.pdf").write_bytes(pdf)
    assert len(re.findall(rb"/Type\s*/Page\b", pdf)) >= 4
