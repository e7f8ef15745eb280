"""Schemathesis over the OpenAPI document, with a token of every right: what is described is what happens."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.gateway import product_api
from tests.support.predictor import predictor
from tests.support.tiny import make_tiny_artifact

pytestmark = pytest.mark.slow
EXCLUDED = {
    "positive_data_acceptance": "some rules hold between fields (end after start, shares that add up), and no schema says "
    "so; what breaks one gets its 400 or 422",
}
"""Checks that are not made here, and why."""


def test_the_api_is_as_its_document_says(tmp_path: Path) -> None:
    make_tiny_artifact(tmp_path / "artifact")
    unlimited = {"ARTHAFLOW_GATEWAY_PREMIUM_PER_HOUR": "0", "ARTHAFLOW_GATEWAY_FAILURES_PER_MINUTE": "1000000"}
    with (
        predictor(tmp_path / "artifact", "--model_name", "tiny", "--model_version", "4") as server,
        product_api(tmp_path, {"tiny": {"url": server.url, "explains": False}}, unlimited) as api,
    ):
        command = [str(Path(sys.executable).with_name("st")), "run", f"{api.url}/openapi.json"]
        command += ["--header", f"Authorization: Bearer {api.token('admin')}", "--exclude-checks", ",".join(EXCLUDED)]
        command += ["--phases", "examples,coverage,fuzzing", "--max-examples", "30", "--seed", "7", "--workers", "1"]
        told = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, timeout=500)
        assert told.returncode == 0, told.stdout[-12000:] + told.stderr[-2000:]
        assert "Unresolvable references" not in told.stdout
        assert "Traceback" not in api.log.read_text()
