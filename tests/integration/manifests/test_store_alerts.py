"""The alerts on the stores, evaluated by Prometheus' own promtool against made-up series."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.handmade import DOCUMENT
from tests.support.kustomize import MANIFESTS, find, needs_kubectl

pytestmark = [
    needs_kubectl,
    pytest.mark.skipif(not shutil.which("promtool"), reason="no promtool; `make setup-test` installs it"),
]
DAY = 86400
SYSTEM = 'namespace="arthaflow-system"'
POSTGRES = f'{{{SYSTEM},statefulset="postgres"}}'
MLFLOW = f'{{{SYSTEM},deployment="mlflow"}}'
VOLUME = f'{{{SYSTEM},persistentvolumeclaim="data-postgres-0"}}'
BACKUP = f'{{{SYSTEM},cronjob="postgres-backup"}}'

# alert: (series that fire, series that do not, minutes)
CASES: dict[str, tuple[dict[str, str], dict[str, str], float]] = {
    "ArthaflowStoreDown": (
        {f"kube_statefulset_status_replicas_ready{POSTGRES}": "0x30", f"kube_statefulset_replicas{POSTGRES}": "1x30"},
        {f"kube_statefulset_status_replicas_ready{POSTGRES}": "1x30", f"kube_statefulset_replicas{POSTGRES}": "1x30"},
        10,
    ),
    "ArthaflowTrackingDown": (
        {f"kube_deployment_status_replicas_available{MLFLOW}": "0x30"},
        {f"kube_deployment_status_replicas_available{MLFLOW}": "1x30"},
        15,
    ),
    "ArthaflowVolumeFilling": (
        {
            f"kubelet_volume_stats_available_bytes{VOLUME}": "14x30",
            f"kubelet_volume_stats_capacity_bytes{VOLUME}": "100x30",
        },
        {
            f"kubelet_volume_stats_available_bytes{VOLUME}": "16x30",
            f"kubelet_volume_stats_capacity_bytes{VOLUME}": "100x30",
        },
        15,
    ),
    "ArthaflowPostgresConnections": (
        {
            f'pg_stat_activity_count{{{SYSTEM},state="idle"}}': "101x30",
            f'pg_stat_activity_count{{{SYSTEM},state="active"}}': "60x30",
            f"pg_settings_max_connections{{{SYSTEM}}}": "200x30",
        },
        {
            f'pg_stat_activity_count{{{SYSTEM},state="idle"}}': "100x30",
            f"pg_settings_max_connections{{{SYSTEM}}}": "200x30",
        },
        15,
    ),
    "ArthaflowBackupOverdue": (
        {f"kube_cronjob_status_last_successful_time{BACKUP}": f"{DAY}x4000"},
        {f"kube_cronjob_status_last_successful_time{BACKUP}": f"{2 * DAY}x4000"},
        2.6 * DAY // 60,
    ),
}


@pytest.fixture
def rules(tmp_path: Path) -> Path:
    found = find(MANIFESTS / "base" / "monitoring", "PrometheusRule", "arthaflow-stores")
    path = tmp_path / "rules.yaml"
    path.write_text(yaml.safe_dump(found["spec"]), encoding="utf-8")
    return path


def promtool(*arguments: str) -> str:
    done = subprocess.run(["promtool", *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def evaluated(rules: Path, alert: str, series: dict[str, str], minutes: float, expected: list[Any]) -> None:
    test = {
        "rule_files": [str(rules)],
        "evaluation_interval": "1m",
        "tests": [
            {
                "interval": "1m",
                "input_series": [{"series": name, "values": values} for name, values in series.items()],
                "promql_expr_test": [
                    {"expr": f'count(ALERTS{{alertname="{alert}",alertstate="firing"}})', "eval_time": f"{int(minutes)}m",
                     "exp_samples": expected}
                ],
            }
        ],
    }  # fmt: skip
    path = rules.with_name("test.yaml")
    path.write_text(yaml.safe_dump(test), encoding="utf-8")
    promtool("test", "rules", str(path))


def test_the_rules_are_valid_and_every_alert_has_a_case(rules: Path) -> None:
    promtool("check", "rules", str(rules))
    (group,) = yaml.safe_load(rules.read_text(encoding="utf-8"))["groups"]
    assert [rule["alert"] for rule in group["rules"]] == list(CASES)
    for rule in group["rules"]:
        channel = {"warning": "email", "critical": "pagerduty"}[rule["labels"]["severity"]]
        assert rule["labels"]["channel"] == channel, "as the chart's alerts"
        assert {"summary", "description"} <= set(rule["annotations"])


@pytest.mark.parametrize("alert", CASES)
def test_an_alert_fires_when_it_should_and_stays_quiet_otherwise(rules: Path, alert: str) -> None:
    loud, quiet, minutes = CASES[alert]
    evaluated(rules, alert, loud, minutes, [{"labels": "{}", "value": 1}])
    evaluated(rules, alert, quiet, minutes, [])


def test_a_backup_that_never_ran_is_overdue_too(rules: Path) -> None:
    series = {f"kube_cronjob_created{BACKUP}": "0x4000"}
    evaluated(rules, "ArthaflowBackupOverdue", series, 1.4 * DAY / 60, [])
    evaluated(rules, "ArthaflowBackupOverdue", series, 1.6 * DAY / 60, [{"labels": "{}", "value": 1}])


def test_every_alert_has_its_section_for_the_engineer_on_call() -> None:
    sections = re.findall(r"^### (Arthaflow\w+)\n\n(.+?)(?=^##)", DOCUMENT, re.MULTILINE | re.DOTALL)
    assert [name for name, _ in sections] == list(CASES)
    assert all("```bash" in text for _, text in sections)
