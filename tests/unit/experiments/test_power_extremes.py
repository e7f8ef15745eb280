"""The planner answers with numbers or with a ValueError, whatever it is asked."""

from __future__ import annotations

import math
from dataclasses import astuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from components.experiments.power import plan

ANY = st.one_of(
    st.floats(),
    st.sampled_from([0.0, 5e-324, 1e-300, 1e-9, 0.02, 0.5, 0.8, 1 - 1e-16, 1.0, 1e9, 1.7e308, -0.1]),
)


@settings(max_examples=300, deadline=None)
@given(ANY, ANY, ANY, ANY, ANY, ANY, ANY, ANY, st.booleans())
def test_every_question_is_answered_or_refused(
    effect: float,
    scale: float,
    share: float,
    alpha: float,
    power: float,
    corr: float,
    daily: float,
    part: float,
    rate: bool,
) -> None:
    told = {"baseline": scale} if rate else {"standard_deviation": scale}
    _check(
        dict(
            effect=effect,
            treatment_share=share,
            alpha=alpha,
            power=power,
            correlation=corr,
            daily_users=daily,
            traffic_share=part,
            **told,
        )
    )


@settings(max_examples=200, deadline=None)
@given(
    st.sampled_from(
        ["effect", "standard_deviation", "treatment_share", "alpha", "power", "correlation", "daily_users"]
    ),
    ANY,
)
def test_one_absurd_number_is_refused_or_planned_with(name: str, value: float) -> None:
    _check({"effect": 0.1, "standard_deviation": 1.0, "daily_users": 100.0, name: value})


@pytest.mark.parametrize("alpha", [1e-9, 1e-6, 0.499])
def test_the_limits_themselves_are_taken(alpha: float) -> None:
    found = plan(effect=1e-5, standard_deviation=0.5, alpha=alpha, power=0.999999, treatment_share=0.5, daily_users=1.0)
    assert found.fixed_users <= found.sequential_users < 10**13


def _check(arguments: dict[str, float]) -> None:
    try:
        found = plan(**arguments)
    except ValueError:
        return
    assert all(math.isfinite(n) for n in astuple(found) if isinstance(n, int | float))
    assert 1 <= found.fixed_users <= found.sequential_users
    assert found.control_users + found.treatment_users == found.sequential_users
