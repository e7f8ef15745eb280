"""Figures of joined predictions, against scikit-learn and by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, f1_score, precision_score, recall_score, roc_auc_score

from components.records.figures import Joined, class_figures, error_figures, figures, financial_figures


def joined(n: int, **columns: Any) -> Joined:
    nan = np.full(n, np.nan)
    none = np.full(n, None, dtype=object)
    defaults: dict[str, Any] = {
        "predicted": nan, "actual": nan, "reference": nan, "confidence": nan, "predicted_class": none,
        "actual_class": none, "day": np.full(n, np.datetime64("2026-11-20")), "one_day": np.ones(n, dtype=bool),
    }  # fmt: skip
    return Joined(**{**defaults, **columns})


def test_nothing_known_is_none_everywhere() -> None:
    assert set(figures(joined(0)).values()) == {None}
    assert set(figures(joined(3)).values()) == {None}


def test_classes_agree_with_scikit_learn() -> None:
    rng = np.random.default_rng(3)
    predicted, actual = (rng.choice(np.array(["low", "medium", "high"], dtype=object), 200) for _ in range(2))
    told = class_figures(joined(200, predicted_class=predicted, actual_class=actual))
    truth, said = actual.astype(str), predicted.astype(str)
    assert told["accuracy"] == pytest.approx(accuracy_score(truth, said))
    for name, score in (("precision", precision_score), ("recall", recall_score), ("f1_score", f1_score)):
        assert told[name] == pytest.approx(score(truth, said, average="macro"))
    assert told["auc_roc"] is None


def test_directions_agree_with_scikit_learn() -> None:
    rng = np.random.default_rng(5)
    reference = rng.uniform(50, 150, 300)
    change = rng.normal(0, 1, 300)
    predicted, confidence = reference + change + rng.normal(0, 2, 300), rng.uniform(0.5, 1, 300).round(2)
    rows = joined(300, reference=reference, actual=reference + change, predicted=predicted, confidence=confidence)
    told = class_figures(rows)
    up, said = change > 0, predicted > reference
    assert told["accuracy"] == pytest.approx(accuracy_score(up, said))
    assert told["f1_score"] == pytest.approx(f1_score(up, said, average="macro"))
    assert told["auc_roc"] == pytest.approx(roc_auc_score(up, np.where(said, confidence, 1 - confidence)))


def test_a_class_that_is_never_predicted_counts_as_zero() -> None:
    rows = joined(2, predicted_class=np.array(["a", "a"], object), actual_class=np.array(["a", "b"], object))
    told = class_figures(rows)
    assert (told["accuracy"], told["precision"], told["recall"]) == (0.5, 0.25, 0.5)


def test_errors_by_hand() -> None:
    told = error_figures(joined(3, predicted=np.array([11.0, 8.0, np.nan]), actual=np.array([10.0, 10.0, 10.0])))
    assert told["mean_absolute_error"] == 1.5
    assert told["root_mean_squared_error"] == pytest.approx(2.5**0.5)
    assert told["mean_absolute_percentage_error"] == pytest.approx(15.0)
    assert told["error_distribution"]["count"] == 2
    assert told["error_distribution"]["p50"] == -0.5


def test_a_zero_has_no_percentage_error() -> None:
    told = error_figures(joined(2, predicted=np.array([1.0, 2.0]), actual=np.array([0.0, 2.0])))
    assert told["mean_absolute_percentage_error"] is None
    assert told["mean_absolute_error"] == 0.5


def test_returns_by_hand() -> None:
    days = np.array(["2026-11-18", "2026-11-18", "2026-11-19", "2026-11-20"], dtype="datetime64[D]")
    rows = joined(
        4,
        predicted=np.array([110.0, 90.0, 110.0, 110.0]),
        actual=np.array([102.0, 98.0, 96.0, 103.0]),
        reference=np.full(4, 100.0),
        day=days,
    )
    told = financial_figures(rows)
    daily = np.array([0.02, -0.04, 0.03])
    assert told["win_rate"] == 75.0
    assert told["average_return"] == pytest.approx(0.0075)
    assert told["sharpe_ratio"] == pytest.approx(daily.mean() / daily.std(ddof=1) * 252**0.5)
    assert told["max_drawdown"] == pytest.approx(0.04)
    longer = financial_figures(joined(4, **{**vars(rows), "one_day": np.zeros(4, dtype=bool)}))
    assert (longer["win_rate"], longer["sharpe_ratio"], longer["max_drawdown"]) == (75.0, None, None)
