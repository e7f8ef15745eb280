"""Logged predictions as something to explain: who may ask about one, what went in, where the explanation is kept."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select, update

from components.errors import ArthaflowError, InvalidRequest
from components.records.database import Database
from components.records.tables import ml_predictions
from inference.gateway.caller import Caller

AUDIT = "audit:read"


class UnknownPrediction(ArthaflowError):
    """No prediction that the caller may ask about has that id."""

    status = 404


@dataclass(frozen=True)
class Logged:
    """A logged prediction.

    Attributes
    ----------
    model, version : str
        That answered.
    request : dict
        As the application sent it.
    asked_at : datetime
        When; features are looked up as of then.
    """

    prediction_id: str
    model: str
    version: str
    request: dict[str, Any]
    asked_at: datetime


def find(database: Database, prediction_id: str, caller: Caller) -> Logged:
    """Return a prediction of the caller's, or anybody's for who may audit.

    Raises
    ------
    UnknownPrediction
        If there is none, or it is somebody else's: which of the two is not told.
    InvalidRequest
        If its inputs were erased, or it was not asked through the product API.
    """
    table = ml_predictions.c
    wanted = (table.model_name, table.model_version, table.input_features, table.caller, table.erased_at)
    with database.read() as connection:
        row = connection.execute(select(*wanted).where(table.prediction_id == prediction_id)).one_or_none()
    if row is None or not (row.caller == caller.pseudonym or AUDIT in caller.scopes):
        raise UnknownPrediction(
            f"There is no prediction {prediction_id!r:.100} of yours.",
            f"Ask again in a second if it is new; somebody else's needs the scope {AUDIT}.",
        )
    inputs = row.input_features if isinstance(row.input_features, Mapping) else {}
    if row.erased_at is not None or "request" not in inputs:
        why = "its inputs were erased" if row.erased_at is not None else "its request was not logged"
        raise InvalidRequest(f"{prediction_id!r} cannot be explained: {why}", "Send `instance`.", path="prediction_id")
    asked_at = datetime.fromisoformat(str(inputs["asked_at"]).replace("Z", "+00:00"))
    return Logged(prediction_id, str(row.model_name), str(row.model_version), dict(inputs["request"]), asked_at)


def keep(database: Database, prediction_id: str, explanation: Mapping[str, Any], is_shap: bool) -> None:
    """Write an explanation to its prediction's row.

    Shapley values go into ``shap_values`` with their base; every method's attributions into ``feature_importance``, as
    shares of their sum of sizes; the sentence into ``explanation_text``. The hash chain does not cover these columns:
    they are filled later.
    """
    values: dict[str, Any] = {"explanation_text": f"{explanation['method']}: {explanation['why']}"}
    attributions = {a["feature"]: a["attribution"] for a in explanation.get("attributions", ())}
    total = sum(abs(v) for v in attributions.values())
    if attributions:
        shares = {name: abs(value) / total if total else 0.0 for name, value in attributions.items()}
        values["feature_importance"] = {"method": explanation["method"], "shares": shares}
    if is_shap:
        values["shap_values"] = {
            "method": explanation["method"],
            "output": explanation["output"],
            "base_value": explanation["base_value"],
            "values": attributions,
        }
    with database.write() as connection:
        connection.execute(
            update(ml_predictions)
            .where(ml_predictions.c.prediction_id == prediction_id, ml_predictions.c.erased_at.is_(None))
            .values(**values)
        )
