"""Schemathesis over the OpenAPI document, with a token of every right: what is described is what happens.

A token is missing or wrong in some requests: the door has to answer 401 before anything else looks at them.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from components.records.database import Database
from tests.support.gateway import ProductApi, product_api
from tests.support.predictor import tiny_predictor
from tests.support.records import database, postgres_server
from tests.support.surroundings import server

__all__ = ["database", "postgres_server"]
pytestmark = pytest.mark.slow
EXCLUDED = {
    "positive_data_acceptance": "some rules hold between fields (end after start, shares that add up), and no schema says "
    "so; what breaks one gets its 400 or 422",
}
"""Checks that are not made here, and why."""
ENVIRONMENT = {"ARTHAFLOW_GATEWAY_PREMIUM_PER_HOUR": "0", "ARTHAFLOW_GATEWAY_FAILURES_PER_MINUTE": "1000000"}
EXAMPLES = {"sqlite": 15, "postgresql": 5}
"""Random requests per operation; every boundary value is asked on both."""
LOCAL = "/explain/(shap|lime|counterfactual)$"
"""Explanations of a whole model may answer 503 until they are computed; tests/integration/gateway waits for them."""


def fuzz(api: ProductApi, folder: Path, examples: int, *more: str) -> None:
    command = [str(Path(sys.executable).with_name("st")), "run", f"{api.url}/openapi.json", *more]
    command += ["--header", f"Authorization: Bearer {api.token('admin')}", "--exclude-checks", ",".join(EXCLUDED)]
    command += ["--phases", "examples,coverage,fuzzing", "--max-examples", str(examples), "--seed", "7"]
    told = subprocess.run([*command, "--workers", "1"], capture_output=True, text=True, cwd=folder, timeout=500)
    assert told.returncode == 0, told.stdout[-12000:] + told.stderr[-2000:]
    assert "Unresolvable references" not in told.stdout
    assert "Traceback" not in api.log.read_text()


def test_the_api_is_as_its_document_says(tmp_path: Path, database: Database) -> None:
    database.close()
    environment = {**ENVIRONMENT, "ARTHAFLOW_DATABASE_URL": database.url.render_as_string(hide_password=False)}
    with (
        tiny_predictor(tmp_path) as model,
        product_api(tmp_path, {"tiny": {"url": model.url, "explains": False}}, environment) as api,
    ):
        fuzz(api, tmp_path, EXAMPLES[database.dialect])


def test_explanations_are_as_their_document_says(tmp_path: Path) -> None:
    with tiny_predictor(tmp_path) as model:
        known = ("--artifact", tmp_path / "artifact", "--model_name", "tiny")
        with (
            server("explainer", tmp_path, *known, "--predictor_host", f"127.0.0.1:{model.port}") as explainer,
            product_api(tmp_path, {"tiny": {"url": model.url, "explain_url": explainer.url}}, ENVIRONMENT) as api,
        ):
            fuzz(api, tmp_path, 8, "--include-path-regex", LOCAL)
