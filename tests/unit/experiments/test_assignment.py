"""The sticky hash: the same everywhere, uniform, and independent between experiments."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter

import numpy as np
import pytest
from scipy.stats import chi2_contingency, chisquare

from components.experiments.assignment import BUCKETS, Slice, bucket, choose, free_slice

HALVES = {"control": 0.5, "treatment": 0.5}
USERS = [f"user-{i}" for i in range(40_000)]


def test_known_buckets_never_change() -> None:
    """A release that changed these would move every user of a running experiment."""
    assert [bucket("recommendation_model_v2", f"u-{i}") for i in range(4)] == [4560, 2016, 9646, 6525]


def test_another_process_gives_the_same_variants() -> None:
    code = (
        "from components.experiments.assignment import choose;"
        "print(''.join(choose('e', str(i), {'control': .5, 'treatment': .5})[0] for i in range(200)))"
    )
    run = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env={"PYTHONHASHSEED": "77"}
    )
    assert run.stdout.strip() == "".join(str(choose("e", str(i), HALVES))[0] for i in range(200))


@pytest.mark.parametrize("salt", ["a", "b", "recommendation_model_v2"])
def test_buckets_are_uniform(salt: str) -> None:
    counts = np.bincount([bucket(salt, u) // 100 for u in USERS], minlength=BUCKETS // 100)
    assert chisquare(counts).pvalue > 0.001


def test_shares_are_kept_for_any_split() -> None:
    for share in (0.01, 0.1, 0.333, 0.5, 0.9):
        found = Counter(choose("e", u, {"control": 1 - share, "treatment": share}) for u in USERS)
        assert (
            chisquare([found["control"], found["treatment"]], [len(USERS) * (1 - share), len(USERS) * share]).pvalue
            > 0.001
        )


def test_experiments_are_independent_of_each_other() -> None:
    table = np.zeros((2, 2))
    for user in USERS:
        table[choose("first", user, HALVES) == "control", choose("second", user, HALVES) == "control"] += 1
    assert chi2_contingency(table).pvalue > 0.001


def test_the_layer_is_independent_of_the_split() -> None:
    half = Slice(0, BUCKETS // 2)
    inside = Counter(choose("e", u, HALVES, layer="m", part=half) for u in USERS)
    assert chisquare([inside[None], len(USERS) - inside[None]]).pvalue > 0.001
    assert chisquare([inside["control"], inside["treatment"]]).pvalue > 0.001


def test_more_treatment_moves_nobody_back() -> None:
    """Ramping up keeps who has the control's first share, so that few users change."""
    before = {u for u in USERS[:5000] if choose("e", u, {"control": 0.9, "treatment": 0.1}) == "treatment"}
    after = {u for u in USERS[:5000] if choose("e", u, {"control": 0.5, "treatment": 0.5}) == "treatment"}
    assert before < after


def test_free_slices() -> None:
    assert free_slice([], 1.0) == Slice()
    assert free_slice([Slice(0, 5000)], 0.5) == Slice(5000, 10000)
    assert free_slice([Slice(0, 5000)], 0.51) is None
    assert free_slice([Slice(0, 2000), Slice(4000, 10000)], 0.2) == Slice(2000, 4000)
    assert free_slice([Slice(9999, 10000)], 0.9999) == Slice(0, 9999)
    with pytest.raises(ValueError, match="no range"):
        Slice(5, 5)
