"""What submitting checks before it asks anybody: the host, the schedule, the API's words. The rest has a server's test."""

from __future__ import annotations

import json
import socket

import pytest

from components.errors import ConfigurationError
from pipelines.cron import check_cron, from_five
from pipelines.kubeflow import told
from pipelines.submit import submit


def test_an_unreachable_host_is_named() -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        host = f"http://127.0.0.1:{probe.getsockname()[1]}"
    with pytest.raises(ConfigurationError, match=rf"{host}.*cannot be reached.*--host"):
        submit("price_forecast", host)


@pytest.mark.parametrize("host", ["", "localhost:8080", "http://"])
def test_a_host_that_is_no_url_is_named(host: str) -> None:
    with pytest.raises(ConfigurationError, match="--host"):
        submit("price_forecast", host)


@pytest.mark.parametrize(
    "cron", ["0 0 2 * * *", "*/10 0 2-4 ? jan-mar MON", "0 0,30 9-17 * * mon-fri", "0  0 2 1 1 0", "5/15 * * * * *"]
)
def test_schedules_as_kubeflow_reads_them(cron: str) -> None:
    assert check_cron(cron) == " ".join(cron.split())


@pytest.mark.parametrize(
    ("cron", "message"),
    [
        ("0 2 * * *", "5 fields, as a CronJob's. Kubeflow takes six, seconds first: '0 0 2 \\* \\* \\*'"),
        ("0 2 * * 7", "'0 0 2 \\* \\* 0'"),
        ("* * * *", "has 4 fields"),
        ("@daily", "has 1 fields"),
        ("60 0 2 * * *", "'60' as its second"),
        ("0 0 24 * * *", "'24' as its hour"),
        ("0 0 2 0 * *", "'0' as its day of the month"),
        ("0 0 2 * 13 *", "'13' as its month"),
        ("0 0 2 * * 7", "'7' as its day of the week"),
        ("0 0 2 * * fun", "'fun' as its day of the week"),
        ("0 5-1 2 * * *", "'5-1' as its minute"),
        ("0 */0 2 * * *", "'\\*/0' as its minute"),
        ("0 1, 2 * * *", "'' as its minute"),
    ],
)
def test_a_schedule_that_cannot_be_is_explained(cron: str, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        check_cron(cron)


def test_a_cron_jobs_schedule_in_kubeflows_form() -> None:
    assert from_five("0 2 * * 0") == "0 0 2 * * 0"
    assert check_cron(from_five("30 6 1,17 * 1-5")) == "0 30 6 1,17 * 1-5"


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (json.dumps({"code": 5, "message": "not found", "details": []}), "not found"),
        (json.dumps({"error_message": "exists", "error_details": "exists: ..."}).encode(), "exists"),
        (json.dumps({"error": "old gateway"}), "old gateway"),
        ("<html>502</html>", ""),
        (None, ""),
        ("[]", ""),
    ],
)
def test_the_apis_own_words(body: object, words: str) -> None:
    assert told(body) == words
