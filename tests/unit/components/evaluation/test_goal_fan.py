"""The fan of a goal draws what it is given."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from components.evaluation.plots.goal_fan import GoalFan, Milestone, goal_fan, short_rupees

DAYS = np.array(["2025-11-30", "2028-05-31", "2030-12-31"], dtype="datetime64[D]")
FAN = GoalFan(
    DAYS,
    np.array([1.2e6, 1.9e6, 3.0e6]),
    np.array([1.2e6, 2.3e6, 4.1e6]),
    np.array([1.2e6, 2.8e6, 5.6e6]),
    np.array([1.2e6, 1.95e6, 2.7e6]),
    5e6,
    0.2,
    [Milestone(DAYS[1], 2.35e6, 0.3)],
)


def test_it_tells_the_goal_its_chance_and_its_milestones() -> None:
    html = goal_fan(FAN)
    for told in ("target ₹50,00,000", "₹23,50,000, 30", "₹30,00,000 and ₹56,00,000", 'role="img"', "20"):
        assert told in html
    assert html.count('class="hit"') == 1
    assert "It came to" not in html


def test_what_it_came_to_is_drawn_where_it_is_known() -> None:
    html = goal_fan(replace(FAN, actual=4.4e6))
    assert "It came to ₹44,00,000." in html
    assert html.count('class="c-actual"') == 1


def test_a_goal_that_is_due_has_no_way() -> None:
    assert "absent" in goal_fan(replace(FAN, times=DAYS[:1]))


def test_labels_are_in_lakh_and_crore() -> None:
    assert [short_rupees(v) for v in (0, 5000, 250_000, 12_500_000)] == ["₹0", "₹5000", "₹2.5 lakh", "₹1.25 crore"]
