"""Evaluation by a judge: losses against baselines that saw no test row, claims, the gate, the card and the page."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from components.catalog import get_spec
from components.data.dataset import Dataset
from components.evaluation.card import model_card
from components.evaluation.gate import decide
from components.evaluation.judge import Judge
from components.evaluation.plots.judgement import judgement
from components.evaluation.splits import Folds, walk_forward
from components.models.spec import GateSpec, ModelSpec
from components.training import assemble, evaluate, train_candidate
from components.training.judged import JudgedEvaluation
from tests.support.tiny import test_rooms


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder: Path = tmp_path_factory.mktemp("judged")
    with test_rooms():
        from components.models.lab.judged.data import make_dataset

        spec, data = get_spec("judged"), make_dataset()
        data.write(folder / "rows.parquet")
        data = Dataset.read(folder / "rows.parquet")
        folds = walk_forward(data)
        train_candidate(spec, "model", data, folds, folder / "model", {})
        told = evaluate(spec, data, folds, {"model": folder / "model"}, {}, None)
        yield spec, data, folds, folder, told


def test_the_better_model_is_promoted_and_its_claim_told(ran: Any) -> None:
    spec, _, _, _, told = ran
    assert isinstance(told, JudgedEvaluation)
    figures = told.to_dict()
    assert figures["judged"]["difference"] < 0
    assert figures["rows"] == len(told.backtest) == figures["judged"]["rows"]
    assert set(told.backtest.columns) >= {"time", "entity", "fold", "loss", "loss_pooled"}
    verdict = decide(spec, figures)
    assert verdict.promote
    assert "below the pooled's" in verdict.reason
    assert [c.name for c in verdict.checks] == ["finite", "baseline", "level", "production"]


def test_a_claim_that_does_not_hold_refuses(ran: Any) -> None:
    spec, _, _, _, told = ran
    figures = told.to_dict()
    figures["gate"]["claims"][0] |= {"passed": False}
    assert "Realised variance" in decide(spec, figures).reason
    assert not decide(spec, figures).promote
    lenient = replace(spec, gate=replace(spec.gate, claims=()))
    assert "level does not hold" in decide(lenient, figures).reason
    unknown = replace(spec, gate=replace(spec.gate, claims=("kupiec",)))
    assert "makes no claim 'kupiec'" in decide(unknown, figures).reason


def swapped(spec: ModelSpec, ran: Any, must: str) -> dict[str, Any]:
    """The evaluation with model and baseline in each other's place."""
    told: dict[str, Any] = ran[4].to_dict()
    gate = told["gate"]
    gate["test"], gate["worse"], gate["difference"] = gate["worse"], gate["test"], -gate["difference"]
    return told


@pytest.mark.parametrize("must", ["beat", "match"])
def test_a_significantly_worse_model_is_refused(ran: Any, must: Any) -> None:
    spec = replace(ran[0], gate=GateSpec(metric="qlike", must=must))
    verdict = decide(spec, swapped(spec, ran, must))
    assert not verdict.promote
    assert "above the pooled's" in verdict.reason


def test_a_model_that_ties_may_match_but_does_not_beat(ran: Any) -> None:
    spec, told = ran[0], ran[4].to_dict()
    tie = {"p_value": 0.5, "verdict": ""}
    told["gate"] |= {"test": tie, "worse": tie}
    assert not decide(replace(spec, gate=GateSpec(metric="qlike")), told).promote
    assert decide(replace(spec, gate=GateSpec(metric="qlike", must="match")), told).promote


def test_baselines_see_the_history_and_nothing_of_the_test_rows_outcome(ran: Any, monkeypatch: Any) -> None:
    spec, data, folds, folder, _ = ran
    with test_rooms():
        judge: Judge = spec.resolve(spec.judge)
        seen: list[tuple[Any, Any]] = []

        def spy(history: Dataset, rows: Dataset) -> Any:
            seen.append((history.label_times.max(), rows.times.min()))
            return judge.baselines["pooled"](history, rows)

        module = __import__("importlib").import_module("components.models.lab.judged.judge")
        monkeypatch.setattr(module, "JUDGE", replace(judge, baselines={"pooled": spy}))
        evaluate(spec, data, folds, {"model": folder / "model"}, {}, None)
    assert len(seen) == len(folds.folds)
    assert all(known < asked for known, asked in seen)


def test_a_later_version_is_compared_with_production(ran: Any) -> None:
    spec, data, folds, folder, _ = ran
    with test_rooms():
        early = data.take(np.arange(900))
        parts: Folds = walk_forward(early)
        train_candidate(spec, "model", early, parts, folder / "early", {})
        artifact = assemble(spec, early, parts, {"model": folder / "early"}, {}, {"lineage": {}}, folder / "artifact")
        told = evaluate(spec, data, folds, {"model": folder / "model"}, {}, artifact.directory)
    production = told.to_dict()["production"]
    assert production["compared"]
    assert production["rows"] > 300
    assert abs(production["loss"]) < 0.02


def test_card_and_page_tell_losses_claims_and_plots(ran: Any) -> None:
    spec, _, _, _, told = ran
    figures = told.to_dict()
    card = model_card(spec, figures, verdict=decide(spec, figures).to_dict(), version="1")
    assert "| pooled |" in card
    assert "| level | holds |" in card
    page = judgement(spec.title, figures | {"plots": [{"title": "Rows", "html": "<p>900 rows</p>"}]})
    assert "900 rows" in page
    assert "does not hold" not in page
