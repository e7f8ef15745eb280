"""Logged predictions as the explain endpoints read and complete them, on SQLite and on PostgreSQL."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import select

from components.errors import InvalidRequest
from components.records.database import Database
from components.records.tables import ml_predictions
from inference.gateway.caller import ROLES, Caller
from inference.gateway.explain.predictions import UnknownPrediction, find, keep
from tests.support.records import database, database_url, postgres_server, postgres_url
from tests.support.rows import NOON, predict

__all__ = ["database", "database_url", "postgres_server", "postgres_url"]

MINE, OTHER = Caller("m" * 32, "app", ROLES["app"]), Caller("o" * 32, "app", ROLES["app"])
AUDITOR = Caller("a" * 32, "admin", ROLES["admin"])
INPUTS = {"request": {"security_id": "SP500"}, "asked_at": "2026-11-20T12:00:00+00:00"}
SHAP: dict[str, Any] = {
    "method": "permutation_shap",
    "why": "price is 2, 1 above the usual 1.",
    "output": "price",
    "base_value": 1.0,
    "attributions": [{"feature": "a", "attribution": 0.75}, {"feature": "b", "attribution": -0.25}],
}


def test_the_caller_and_the_auditor_find_it_and_nobody_else(database: Database) -> None:
    name = predict(database, input_features=INPUTS, caller=MINE.pseudonym)
    for who in (MINE, AUDITOR):
        logged = find(database, name, who)
        assert (logged.model, logged.version) == ("tiny", "1")
        assert logged.request == {"security_id": "SP500"}
        assert logged.asked_at == datetime(2026, 11, 20, 12, tzinfo=UTC)
    for who, asked in ((OTHER, name), (MINE, "no such id")):
        with pytest.raises(UnknownPrediction, match="There is no prediction"):
            find(database, asked, who)


def test_what_was_erased_or_never_logged_cannot_be_explained(database: Database) -> None:
    erased = predict(database, input_features={}, caller=MINE.pseudonym, erased_at=NOON)
    with pytest.raises(InvalidRequest, match="its inputs were erased"):
        find(database, erased, MINE)
    raw = predict(database, input_features={"x": 1.0}, caller=MINE.pseudonym)
    with pytest.raises(InvalidRequest, match="its request was not logged"):
        find(database, raw, MINE)
    keep(database, erased, SHAP, True)
    assert _row(database, erased).shap_values is None


def test_an_explanation_is_kept_with_its_prediction(database: Database) -> None:
    name, beside = (predict(database, input_features=INPUTS) for _ in range(2))
    keep(database, name, SHAP, True)
    row = _row(database, name)
    assert row.shap_values == {
        "method": "permutation_shap",
        "output": "price",
        "base_value": 1.0,
        "values": {"a": 0.75, "b": -0.25},
    }
    assert row.feature_importance == {"method": "permutation_shap", "shares": {"a": 0.75, "b": 0.25}}
    assert row.explanation_text == "permutation_shap: price is 2, 1 above the usual 1."
    keep(database, name, {"method": "counterfactual", "why": "With a 2 instead of 1."}, False)
    assert _row(database, name).explanation_text == "counterfactual: With a 2 instead of 1."
    assert _row(database, name).shap_values == row.shap_values
    assert _row(database, beside).explanation_text is None


def _row(database: Database, prediction_id: str) -> Any:
    with database.read() as connection:
        return connection.execute(select(ml_predictions).where(ml_predictions.c.prediction_id == prediction_id)).one()
