"""What a search found: the summary, the sentence and the page."""

from __future__ import annotations

from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from components.errors import ConfigurationError
from components.tuning.page import tuning_page
from components.tuning.result import Search, Trial, best_so_far, summary
from components.tuning.space import Parameter, Space

SPACE = Space(
    "m", (Parameter("rate", "float", 0.1, 0.01, 1.0, log=True), Parameter("kind", "choice", "a", choices=("a", "b")))
)


def search(scores: list[float | None], spread: float = 0.0) -> Search:
    rng = np.random.default_rng(7)
    noise = spread * rng.standard_normal((len(scores), 4))
    noise -= noise.mean(axis=1, keepdims=True)
    trials = tuple(
        Trial(i, {"rate": 0.02 * i, "kind": "b"}, s, tuple(s + noise[i - 1]), 1.5)
        if s is not None
        else Trial(i, {"rate": 0.02 * i, "kind": "a"}, None, (), 1.0, "ValueError: <singular>")
        for i, s in enumerate(scores, 1)
    )
    default = Trial(0, SPACE.defaults, 0.9, (0.9,) * 4, 2.0)
    return Search("m", "interval_score_ratio", "optuna", SPACE.to_dict(), default, trials, {"study": "s.db"})


def test_a_gain_beyond_luck_survives(tmp_path: Path) -> None:
    found = search([0.95, 0.7, None, 0.8], spread=0.01)
    told = summary(found)
    assert (told["trials"], told["failed_trials"], told["best_trial"], told["survives"]) == (3, 1, 2, True)
    assert told["gain"] == pytest.approx(0.2)
    assert told["best_score"] < told["deflated_score"] < told["default_score"]
    assert "so the gain of 0.2 survives" in told["sentence"]
    found.write(tmp_path / "s.json")
    read = Search.read(tmp_path / "s.json")
    assert (read.default, read.trials, summary(read)) == (found.default, found.trials, told)
    assert Space.from_dict(read.space) == SPACE


def test_a_gain_within_luck_does_not() -> None:
    told = summary(search([0.89, 0.95, 0.91], spread=0.5))
    assert not told["survives"]
    assert told["deflated_score"] > told["default_score"]
    assert "does not survive" in told["sentence"]


def test_the_default_is_kept_when_nothing_beats_it() -> None:
    told = summary(search([0.95, 0.91]))
    assert told["best_trial"] == 0
    assert told["best_params"] == SPACE.defaults
    assert "no trial beat the default, which is kept" in told["sentence"]


def test_without_a_score_there_is_no_summary() -> None:
    with pytest.raises(ConfigurationError, match=r"None of 2 trials of m has a score: ValueError: <singular>"):
        summary(search([None, None]))


def test_the_best_so_far_never_rises() -> None:
    assert best_so_far(search([0.9, None, 0.95, 0.8]).trials) == [0.9, 0.9, 0.8]


class Tags(HTMLParser):
    """Counts elements, and checks that they close."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.seen.append(tag)
        if tag not in ("meta", "path", "line", "rect", "circle", "br", "i"):
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: object) -> None:
        self.seen.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag != "i":
            assert self.open.pop() == tag


@pytest.mark.parametrize("scores", [[0.5], [0.95, None], [0.95, 0.7, None, 0.8, 0.85, 77.0]])
def test_the_page_is_whole_and_escapes(scores: list[float | None]) -> None:
    text = tuning_page(search(scores), "<Price>")
    tags = Tags(text)
    assert not tags.open
    assert tags.seen.count("svg") == 2
    assert "<Price>" not in text
    assert "<singular>" not in text
    assert "10.3905/jpm.2014.40.5.094" in text
    scored = sum(s is not None for s in scores)
    assert tags.seen.count("circle") >= 3 * scored
    assert "NaN" not in text
