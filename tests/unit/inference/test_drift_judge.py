"""The judge and the window: outcomes, sentences, shared error rate, thinning."""

from __future__ import annotations

import json

import numpy as np
import pytest

from components.errors import ConfigurationError
from components.models.spec import DriftSpec
from inference.drift.judge import judge, level_per_test, pick_tests, required_rows
from inference.drift.window import Window

COLUMNS = ("features.a", "features.b", "features.c")
SPEC = DriftSpec(detectors=("ks", "psi", "mmd"))


@pytest.fixture(scope="module")
def reference() -> np.ndarray:
    return np.random.default_rng(1).normal(size=(1000, 3))


def test_too_few_rows_are_not_judged_and_say_how_many_are_missing(reference: np.ndarray) -> None:
    needed = required_rows(SPEC, 1000, 3)
    assert needed is not None
    verdict = judge(SPEC, reference, reference[: needed - 5] + 9.0, COLUMNS)
    assert verdict.outcome == "insufficient"
    assert verdict.results == ()
    assert verdict.to_dict()["missing_rows"] == 5
    assert "5 more to come" in verdict.sentence


def test_a_reference_that_is_too_small_is_named_as_the_reason(reference: np.ndarray) -> None:
    verdict = judge(SPEC, reference[:40], reference, COLUMNS)
    assert verdict.outcome == "insufficient"
    assert "the reference has 40 rows" in verdict.sentence
    assert json.loads(json.dumps(verdict.to_dict()))["min_rows"] is None


def test_undrifted_rows_pass(reference: np.ndarray) -> None:
    verdict = judge(SPEC, reference, np.random.default_rng(2).normal(size=(200, 3)), COLUMNS)
    assert verdict.outcome == "no_drift"
    assert verdict.drifted == ()
    assert verdict.sentence.startswith("No drift in 200 served rows against 1000 reference rows")


def test_a_shifted_column_is_named_and_the_others_are_not(reference: np.ndarray) -> None:
    window = np.random.default_rng(3).normal(size=(200, 3))
    window[:, 1] += 1.0
    verdict = judge(SPEC, reference, window, COLUMNS)
    assert verdict.outcome == "drift"
    assert verdict.drifted == ("features.b",)
    assert "features.b" in verdict.sentence
    assert {r.detector for r in verdict.results} == {"ks", "psi", "mmd"}
    json.dumps(verdict.to_dict(), allow_nan=False)


def test_the_level_is_shared_between_kinds_of_test() -> None:
    tests, skipped = pick_tests(DriftSpec(detectors=("ks", "psi", "alibi_ks")))
    assert set(tests) == {"ks", "psi"}
    assert "alibi-detect is not installed" in skipped["alibi_ks"]
    assert level_per_test(DriftSpec(alpha=0.06), {"ks": tests["ks"], "psi": tests["psi"]}) == pytest.approx(0.03)
    assert level_per_test(DriftSpec(alpha=0.06), {"ks": tests["ks"], "alibi_ks": tests["ks"]}) == pytest.approx(0.06)


def test_an_unknown_detector_is_refused_with_the_known_ones() -> None:
    with pytest.raises(ConfigurationError, match=r"'kss'.*ks, psi, mmd"):
        pick_tests(DriftSpec(detectors=("kss",)))


def test_a_spec_of_detectors_that_cannot_run_here_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="None of the drift detectors alibi_ks"):
        pick_tests(DriftSpec(detectors=("alibi_ks",)))


def test_window_keeps_the_latest_rows_and_thins_across_batches() -> None:
    window = Window(columns=1, capacity=3, thin=2)
    assert window.add(np.array([[0.0], [1.0], [2.0]])) == 2
    assert window.add(np.array([[3.0], [4.0], [5.0], [6.0], [7.0]])) == 2
    assert window.snapshot().ravel().tolist() == [2.0, 4.0, 6.0]
    assert (window.seen, len(window)) == (8, 3)
    window.clear()
    assert window.snapshot().shape == (0, 1)
    assert window.seen == 0
