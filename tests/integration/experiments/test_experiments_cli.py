"""``arthaflow experiments`` on real records, and its page in a real browser."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import update
from typer.testing import CliRunner

from components.records.database import Database, open_database
from components.records.pseudonym import pseudonym
from components.records.tables import model_experiments
from components.settings import settings
from inference.gateway.experiments.observing import observe
from inference.gateway.experiments.payloads import Observation
from inference.gateway.experiments.store import design_of, find
from pipelines.cli import app
from tests.support.browser import Browser, find_chromium
from tests.support.experiments import predict, register

NAME = "recommendation_model_v2"
PAYLOAD = {
    "experiment_id": NAME,
    "description": "Testing new collaborative filtering layer",
    "variants": {
        "control": {"model_version": "v1.8.0", "traffic_split": 0.5},
        "treatment": {"model_version": "v2.0.0", "traffic_split": 0.5},
    },
    "success_metrics": ["recommendation_click_rate", "investment_conversion_rate"],
    "guardrail_metrics": [{"name": "complaint_rate", "margin": 0.5}],
    "duration_days": 14,
    "minimum_sample_size": 2000,
}


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setenv("ARTHAFLOW_HOME", str(tmp_path / "home"))
    settings.cache_clear()
    yield tmp_path
    settings.cache_clear()


def run(*arguments: str) -> str:
    result = CliRunner().invoke(app, ["experiments", *arguments], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


def fill(database: Database, users: int = 3000, effect: float = 0.06) -> None:
    """Users over six days, with clicks, conversions, complaints, a past and segments."""
    row = find(database, NAME)
    values = {c: row[c] - timedelta(days=9) for c in ("start_date", "end_date")}
    with database.write() as connection:
        connection.execute(update(model_experiments).where(model_experiments.c.id == row["id"]).values(**values))
    row, rng, rows, seen = find(database, NAME), np.random.default_rng(5), [], []
    design, apart = design_of(row), timedelta(days=6) / users
    for i in range(users):
        variant = str(design.variant_of(pseudonym(f"u{i}", "user")))
        seen.append((f"u{i}", variant, design.versions[variant]))
        before = rng.beta(4, 6)
        taste = float(np.clip(before + (effect if variant == "treatment" else 0.0), 0, 1))
        at = row["start_date"] + i * apart + timedelta(minutes=5)
        tier = ["free", "basic", "premium", "staff"][
            0 if i % 100 < 50 else 1 if i % 100 < 80 else 2 if i % 100 < 98 else 3
        ]
        metrics = (
            ("recommendation_click_rate", rng.binomial(20, taste), 20),
            ("investment_conversion_rate", rng.random() < 0.1, 1),
        )
        for metric, value, weight in (*metrics, ("complaint_rate", rng.random() < 0.3, 1)):
            rows.append(
                Observation(
                    key=f"{metric}/{i}",
                    user=f"u{i}",
                    metric=metric,
                    value=float(value),
                    weight=weight,
                    at=at,
                    segments={"tier": tier},
                    pre_period=rng.binomial(20, before) / 20 if metric.endswith("click_rate") and i % 5 else None,
                )
            )
    predict(database, model="recommendations", experiment=NAME, users=seen, start=row["start_date"], apart=apart)
    observe(database, design, row["id"], rows)


def test_from_a_file_to_results(home: Path) -> None:
    database = open_database()
    register(database, "recommendations", ["1.8.0", "2.0.0"])
    payload = home / "payload.json"
    payload.write_text(json.dumps(PAYLOAD))
    assert "No experiment" in run("list")
    assert NAME in run("create", str(payload))
    assert [e["experiment_id"] for e in json.loads(run("list", "--json"))] == [NAME]
    fill(database)
    told = run("results", NAME)
    assert "promote treatment" in told
    assert "tier: premium" in told
    report = json.loads(run("results", NAME, "--json", "--html", str(home / "page.html")))
    assert report["verdict"]["decision"] == "promote_treatment"
    page = (home / "page.html").read_text()
    assert "Sample ratio" not in page
    assert page.count('<svg class="chart"') == 2
    assert "stopped" in run("stop", NAME, "--reason", "enough")
    assert json.loads(run("plan", "--effect", "0.02", "--baseline", "0.1", "--json"))["fixed_users"] == 7677
    database.close()


def test_a_bad_file_is_one_clear_error(home: Path) -> None:
    payload = home / "payload.json"
    payload.write_text(json.dumps({**PAYLOAD, "success_metrics": []}))
    result = CliRunner().invoke(app, ["experiments", "create", str(payload)])
    assert "success_metrics" in str(result.exception)


@pytest.mark.browser
@pytest.mark.skipif(find_chromium() is None, reason="Chromium is not installed")
@pytest.mark.parametrize("filled", [True, False])
def test_the_page_draws_in_a_browser(home: Path, filled: bool) -> None:
    database = open_database()
    register(database, "recommendations", ["1.8.0", "2.0.0"])
    payload = home / "payload.json"
    payload.write_text(json.dumps(PAYLOAD))
    run("create", str(payload))
    if filled:
        fill(database)
    run("results", NAME, "--html", str(home / "page.html"))
    with Browser(home / "profile") as browser:
        browser.open(home / "page.html")
        charts = browser.ask("document.querySelectorAll('svg.chart').length")
        overflow = browser.ask("document.documentElement.scrollWidth > innerWidth")
        texts = browser.ask("[...document.querySelectorAll('svg text')].map(t => t.textContent).join('|')")
        assert (charts, overflow) == (2 if filled else 0, False)
        assert "NaN" not in texts
        assert browser.complaints() == []
    assert datetime.now(UTC) > find(database, NAME)["start_date"]
    database.close()
