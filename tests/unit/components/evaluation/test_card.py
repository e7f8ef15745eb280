"""The model card says what the evaluation found, and no more."""

from __future__ import annotations

from components.catalog import get_spec
from components.evaluation.card import model_card

EVALUATION = {
    "rows": 2392,
    "period": {"from": "2014-02-01T21:00:00", "until": "2018-12-01T21:00:00"},
    "horizons": {
        "1_day": {"rmse": 0.00894, "coverage": 0.889, "baselines": {"random_walk": {"rmse": 0.00892, "coverage": 0.86}}}
    },
    "tests": {"1_day": {"direction": {"p_value": 0.81, "verdict": "directions are no better than chance (p = 0.81)"}}},
    "by_regime": {"high": {"1_day": {"coverage": 0.848}}},
}


def test_figures_and_verdicts_appear() -> None:
    verdict = {
        "promote": False,
        "reason": "Refused: coverage.",
        "checks": [{"name": "rmse", "passed": True, "detail": "x"}],
    }
    card = model_card(get_spec("price_forecast"), EVALUATION, verdict=verdict, lineage={"data_hash": "9f"})
    for words in (
        "Refused: coverage.",
        "Not registered.",
        "0.894\u00a0%",
        "0.892\u00a0%",
        "no better than chance",
        "84.8\u00a0%",
    ):
        assert words in card
    for line in get_spec("price_forecast").disclaimers:
        assert f"> {line}" in card
    assert "| data hash | 9f |" in card
    assert "1 Feb 2014 to 1 Dec 2018" in card


def test_text_cannot_break_the_tables_or_smuggle_markup() -> None:
    verdict = {
        "reason": "a | b <script>",
        "checks": [{"name": "x|y", "passed": False, "detail": "[link](http://x)\nnew"}],
    }
    card = model_card(get_spec("price_forecast"), EVALUATION, verdict=verdict)
    assert "<script>" not in card
    assert "[link](" not in card.replace("\\[link](", "")
    assert "| x\\|y | failed | \\[link](http://x) new |" in card


def test_an_empty_evaluation_makes_a_card_without_figures() -> None:
    card = model_card(get_spec("price_forecast"), {}, version="3")
    assert "Registered as version 3." in card
    assert "No test was made." in card
