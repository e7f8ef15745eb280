"""The judge: its baselines see no target, and its claims fail where they should."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from components.data.dataset import Dataset
from components.evaluation.judge import Judged
from components.models.portfolio.goal_achievement.judge import JUDGE, closed_form
from components.models.portfolio.goal_achievement.model import GoalAchievement


@pytest.fixture(scope="module")
def judged(model: GoalAchievement, dataset: Dataset) -> Judged:
    test = dataset.take(np.arange(300, len(dataset)))
    history = dataset.take(np.arange(300))
    outputs = model.predict(test.inputs)
    rivals = {name: baseline(history, test) for name, baseline in JUDGE.baselines.items()}
    return Judged(
        test,
        outputs,
        rivals,
        JUDGE.loss(outputs, test),
        {name: JUDGE.loss(answer, test) for name, answer in rivals.items()},
        np.zeros(len(test), dtype=np.int64),
        {"seed": 7, "paths": 2048},
    )


def named(judged: Judged) -> dict[str, bool | None]:
    return {claim.name: claim.passed for claim in JUDGE.claims(judged)}


def test_the_claims_are_judged(judged: Judged) -> None:
    claims = named(judged)
    assert set(claims) == {"closed_form_agreement", "calibration", "expected_amount_unbiased"}
    assert claims["closed_form_agreement"]


def test_wrong_probabilities_and_amounts_fail(judged: Judged) -> None:
    outputs = dict(judged.outputs)
    outputs["achievement_probability"] = 1 - outputs["achievement_probability"]
    outputs["projections"] = outputs["projections"] * 3
    claims = named(replace(judged, outputs=outputs))
    assert claims["calibration"] is False
    assert claims["expected_amount_unbiased"] is False


def test_baselines_do_not_look_at_the_test_rows_targets(dataset: Dataset) -> None:
    history, test = dataset.take(np.arange(300)), dataset.take(np.arange(300, len(dataset)))
    blind = replace(test, targets={name: np.zeros_like(values) for name, values in test.targets.items()})
    for baseline in JUDGE.baselines.values():
        np.testing.assert_array_equal(
            baseline(history, test)["achievement_probability"], baseline(history, blind)["achievement_probability"]
        )


def test_the_closed_form_is_a_probability_that_knows_something(judged: Judged, dataset: Dataset) -> None:
    test = judged.data
    chance = closed_form(dataset.take(np.arange(300)), test)["achievement_probability"][:, 0]
    assert ((chance >= 0) & (chance <= 1)).all()
    reached = test.targets["reached"][:, 0] > 0
    assert chance[reached].mean() > chance[~reached].mean() + 0.1


def test_the_plots_need_no_network_and_show_what_it_came_to(judged: Judged) -> None:
    fan, reliability = JUDGE.figures(judged)
    assert "http" not in fan.html
    assert "http" not in reliability.html
    assert "It came to ₹" in fan.html
    assert "Expected calibration error" in reliability.html
