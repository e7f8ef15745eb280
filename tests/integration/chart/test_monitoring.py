"""Monitors, rules and dashboards of the rendered chart: what they select, when they fire, and that their metrics exist."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client import REGISTRY

from components.records.database import Database
from inference.gateway.cache.metrics import CacheMetrics
from inference.gateway.calls.metrics import CallMetrics
from inference.gateway.metrics import GatewayMetrics
from inference.gateway.observed.accuracy_exporter import AccuracyExporter
from inference.metrics import ServerMetrics
from tests.support.helm import CHART, find, needs_helm, objects, render, template
from tests.support.manifests import findings, needs_validator
from tests.support.prometheus import needs_prometheus, promtool

pytestmark = needs_helm

ARTIFACT = "s3://arthaflow/artifacts/price_forecast/aaa/"
MODEL = ["--set", "models.price_forecast.version=1", "--set", f"models.price_forecast.artifact={ARTIFACT}"]
KUBE_STATE = {
    "kube_pod_container_status_restarts_total",
    "kube_cronjob_status_last_schedule_time",
    "kube_job_status_failed",
    "kube_job_status_succeeded",
}

N, V = 'namespace="ml",model="price_forecast"', 'namespace="ml",model="price_forecast",version="1"'
REQUESTS = 'arthaflow_requests_total{%s,traffic="client",code="%d"}'
BUCKET = 'arthaflow_request_seconds_bucket{%s,traffic="client",le="%s"}'
READY = 'arthaflow_model_ready{namespace="ml",model="price_forecast",version="%s",pod="%s"}'
DOWN = 'up{namespace="ml",job="ml/arthaflow-models",pod="p"}'
GATEWAY = 'arthaflow_gateway_requests_total{%s,code="%d"}'
CACHE = 'arthaflow_gateway_cache_requests_total{namespace="ml",result="%s"}'
RESTARTS = 'kube_pod_container_status_restarts_total{namespace="ml",pod="price-forecast-v1-predictor-x",container="c"}'
TAKEN = f'arthaflow_drift_events_total{{{N},outcome="taken"}}'
ROWS = f"arthaflow_drift_window_rows{{{N}}}"
MISSING = f'arthaflow_missing_values_total{{{N},field="features.rsi_14"}}'
JOB = 'kube_job_status_%s{namespace="ml",job_name="price-forecast-train-29000000"}'
SCHEDULE = 'kube_cronjob_status_last_schedule_time{namespace="ml",cronjob="price-forecast-train"}'

Series = dict[str, str]
CASES: dict[str, tuple[str, Series, Series]] = {
    # alert: (when, series with which it fires, series with which it does not)
    "ArthaflowErrorRateCritical": (
        "20m",
        {REQUESTS % (V, 200): "0+60x40", REQUESTS % (V, 500): "0+6x40"},
        {REQUESTS % (V, 200): "0+60x40", REQUESTS % (V, 500): "0+2x40"},
    ),
    "ArthaflowErrorRateWarning": (
        "20m",
        {REQUESTS % (V, 200): "0+60x40", REQUESTS % (V, 503): "0+2x40"},
        {REQUESTS % (V, 200): "0+60x40", REQUESTS % (V, 503): "0+1x40"},
    ),
    "ArthaflowLatencyCritical": (
        "20m",
        {BUCKET % (V, "1.0"): "0+90x40", BUCKET % (V, "2.5"): "0+100x40", BUCKET % (V, "+Inf"): "0+100x40"},
        {BUCKET % (V, "0.5"): "0+96x40", BUCKET % (V, "2.5"): "0+100x40", BUCKET % (V, "+Inf"): "0+100x40"},
    ),
    "ArthaflowGatewayErrorRate": (
        "20m",
        {GATEWAY % (N, 200): "0+60x40", GATEWAY % (N, 502): "0+6x40"},
        {GATEWAY % (N, 200): "0+60x40", GATEWAY % (N, 502): "0+2x40", GATEWAY % (N, 429): "0+30x40"},
    ),
    "ArthaflowTargetDown": ("10m", {DOWN: "0x40"}, {DOWN: "1x40", 'up{namespace="ml",job="other"}': "0x40"}),
    "ArthaflowPodRestarting": ("20m", {RESTARTS: "0+1x40"}, {RESTARTS: "0x5 1x40"}),
    "ArthaflowCacheHitRateLow": (
        "40m",
        {CACHE % "hit": "0+4x60", CACHE % "miss": "0+6x60"},
        {CACHE % "hit": "0+6x60", CACHE % "miss": "0+4x60"},
    ),
    "ArthaflowPayloadLogDropped": (
        "10m",
        {'arthaflow_payload_log_dropped_total{namespace="ml",pod="p"}': "0+1x40"},
        {'arthaflow_payload_log_dropped_total{namespace="ml",pod="p"}': "7x40"},
    ),
    "ArthaflowFeatureDrift": (
        "20m",
        {f'arthaflow_drift_detected{{{N},detector="ks"}}': "1x40"},
        {f'arthaflow_drift_detected{{{N},detector="ks"}}': "0x40"},
    ),
    "ArthaflowPopulationShift": (
        "20m",
        {f'arthaflow_drift_psi{{{N},column="features.rsi_14"}}': "0.25x40"},
        {f'arthaflow_drift_psi{{{N},column="features.rsi_14"}}': "0.15x40"},
    ),
    "ArthaflowDetectorStarved": (
        "60m",
        {REQUESTS % (V, 200): "0+60x80", TAKEN: "9x80", ROWS: "9x80"},
        {REQUESTS % (V, 200): "0+60x80", TAKEN: "0+60x80", ROWS: "9x80"},
    ),
    "ArthaflowMissingValues": (
        "30m",
        {REQUESTS % (V, 200): "0+60x60", REQUESTS % (V, 400): "0+6x60", MISSING: "0+6x60"},
        {REQUESTS % (V, 200): "0+60x60", REQUESTS % (V, 400): "0+6x60", MISSING: "0+2x60"},
    ),
    "ArthaflowPredictionsUnusable": (
        "10m",
        {f"arthaflow_prediction_unusable_total{{{V}}}": "0+1x40"},
        {f"arthaflow_prediction_unusable_total{{{V}}}": "0x40"},
    ),
    "ArthaflowPredictionsOutsideRange": (
        "90m",
        {
            f"arthaflow_prediction_outside_total{{{V}}}": "0+6x120",
            f"arthaflow_prediction_value_count{{{V}}}": "0+60x120",
        },
        {
            f"arthaflow_prediction_outside_total{{{V}}}": "0+2x120",
            f"arthaflow_prediction_value_count{{{V}}}": "0+60x120",
        },
    ),
    "ArthaflowAccuracyDropCritical": (
        "10m",
        {f"arthaflow_model_accuracy_ratio{{{N}}}": "0.88x40"},
        {f"arthaflow_model_accuracy_ratio{{{N}}}": "0.92x40"},
    ),
    "ArthaflowAccuracyDropWarning": (
        "10m",
        {f"arthaflow_model_accuracy_ratio{{{N}}}": "0.92x40"},
        {f"arthaflow_model_accuracy_ratio{{{N}}}": "0.97x40"},
    ),
    "ArthaflowNewModelDeployed": (
        "35m",
        {READY % ("1", "a"): "1x60", READY % ("2", "b"): "_x30 1x30"},
        {READY % ("1", "a"): "1x60", READY % ("1", "b"): "_x30 1x30"},
    ),
    "ArthaflowABResultsAvailable": (
        "40m",
        {
            REQUESTS % (V, 200): "0+60x60",
            REQUESTS % (V.replace('"1"', '"2"'), 200): "0+60x60",
            READY % ("1", "a"): "1x60",
            READY % ("2", "b"): "1x60",
        },
        {
            REQUESTS % (V, 200): "0+60x60",
            REQUESTS % (V.replace('"1"', '"2"'), 200): "0+2x60",
            READY % ("1", "a"): "1x60",
            READY % ("2", "b"): "1x60",
        },
    ),
    "ArthaflowCanaryStuck": (
        "6h5m",
        {READY % ("1", "a"): "1x400", READY % ("2", "b"): "1x400"},
        {READY % ("1", "a"): "1x400", READY % ("1", "b"): "1x400", READY % ("2", "c"): "1x200 _x200"},
    ),
    "ArthaflowRetrainingStarted": ("5m", {SCHEDULE: "60x40"}, {SCHEDULE: "-3600x40"}),
    "ArthaflowScheduledRunFailed": (
        "30m",
        {JOB % "failed": "1x60"},
        {JOB % "failed": "1x60", JOB % "succeeded": "1x60"},
    ),
    "ArthaflowModelDown": (
        "10m",
        {READY % ("1", "a"): "0x40"},
        {READY % ("1", "a"): "0x40", READY % ("1", "b"): "1x40"},
    ),
    "ArthaflowLatencyAboveObjective": (
        "30m",
        {BUCKET % (V, "0.2"): "0+94x60", BUCKET % (V, "0.5"): "0+100x60", BUCKET % (V, "+Inf"): "0+100x60"},
        {BUCKET % (V, "0.2"): "0+96x60", BUCKET % (V, "0.5"): "0+100x60", BUCKET % (V, "+Inf"): "0+100x60"},
    ),
    "ArthaflowGatewayDown": (
        "10m",
        {'up{namespace="ml",job="arthaflow-gateway",pod="a"}': "0x40"},
        {'up{namespace="ml",job="arthaflow-gateway",pod="a"}': "1x40"},
    ),
    "ArthaflowPredictionLogBehind": (
        "10m",
        {'arthaflow_gateway_log_backlog_bytes{namespace="ml",pod="a"}': "70000000x40"},
        {'arthaflow_gateway_log_backlog_bytes{namespace="ml",pod="a"}': "60000000x40"},
    ),
    "ArthaflowGatewayModelsFileInvalid": (
        "10m",
        {'arthaflow_gateway_models_file_valid{namespace="ml",pod="a"}': "0x40"},
        {'arthaflow_gateway_models_file_valid{namespace="ml",pod="a"}': "1x40"},
    ),
}


@pytest.fixture(scope="module")
def rendered() -> str:
    return template(*MODEL)


@pytest.fixture(scope="module")
def groups(rendered: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = find(rendered, "PrometheusRule", "af-arthaflow")["spec"]["groups"]
    return found


@pytest.fixture(scope="module")
def alerts(groups: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    return {rule["alert"]: rule for group in groups for rule in group["rules"] if "alert" in rule}


@pytest.fixture(scope="module")
def boards() -> dict[str, dict[str, Any]]:
    return {path.name: json.loads(path.read_text()) for path in sorted((CHART / "dashboards").glob("*.json"))}


def expressions(board: dict[str, Any]) -> list[str]:
    """Every query of a dashboard, with its variables filled in."""
    queries = [t["expr"] for p in board["panels"] for t in p.get("targets", [])]
    queries += [a["expr"] for a in board["annotations"]["list"]]
    filled = {"$namespace": "ml", "$model": ".+", "$__rate_interval": "1m"}
    for variable, value in filled.items():
        queries = [q.replace(variable, value) for q in queries]
    return queries


@needs_prometheus
def test_promtool_accepts_the_rules(groups: list[dict[str, Any]], tmp_path: Path) -> None:
    (tmp_path / "rules.yaml").write_text(yaml.safe_dump({"groups": groups}))
    assert "SUCCESS" in promtool("check", "rules", "--lint=all", "--lint-fatal", str(tmp_path / "rules.yaml"))


@needs_prometheus
@pytest.mark.parametrize("fires", [True, False], ids=["fires", "is_quiet"])
def test_every_alert_fires_when_it_should_and_only_then(
    groups: list[dict[str, Any]], alerts: dict[str, Any], tmp_path: Path, fires: bool
) -> None:
    assert set(CASES) == set(alerts)
    (tmp_path / "rules.yaml").write_text(yaml.safe_dump({"groups": groups}))
    tests = []
    for name, (when, loud, quiet) in CASES.items():
        series = loud if fires else quiet
        tests.append(
            {
                "name": name,
                "interval": "1m",
                "input_series": [{"series": key, "values": value} for key, value in series.items()],
                "promql_expr_test": [
                    {
                        "expr": f'(count(ALERTS{{alertname="{name}",alertstate="firing"}}) or vector(0)) > bool 0',
                        "eval_time": when,
                        "exp_samples": [{"labels": "{}", "value": int(fires)}],
                    }
                ],
            }
        )
    (tmp_path / "tests.yaml").write_text(
        yaml.safe_dump({"rule_files": ["rules.yaml"], "evaluation_interval": "1m", "tests": tests})
    )
    promtool("test", "rules", str(tmp_path / "tests.yaml"))


@needs_prometheus
def test_an_alert_says_which_version_and_how_bad_it_is(groups: list[dict[str, Any]], tmp_path: Path) -> None:
    (tmp_path / "rules.yaml").write_text(yaml.safe_dump({"groups": groups}))
    when, loud, _ = CASES["ArthaflowErrorRateCritical"]
    expected = {
        "exp_labels": {
            "namespace": "ml",
            "model": "price_forecast",
            "version": "1",
            "severity": "critical",
            "channel": "pagerduty",
        },
        "exp_annotations": {
            "summary": "price_forecast version 1 fails more than 5 % of its requests",
            "description": "9.091% of the requests of the last 5 minutes were answered with 5xx.",
            "runbook_url": "https://arthaflow.invalid/docs/runbook.md#arthaflowerrorratecritical",
        },
    }
    case = {
        "interval": "1m",
        "input_series": [{"series": key, "values": value} for key, value in loud.items()],
        "alert_rule_test": [{"eval_time": when, "alertname": "ArthaflowErrorRateCritical", "exp_alerts": [expected]}],
    }
    (tmp_path / "tests.yaml").write_text(yaml.safe_dump({"rule_files": ["rules.yaml"], "tests": [case]}))
    promtool("test", "rules", str(tmp_path / "tests.yaml"))


def test_every_alert_has_a_severity_a_channel_a_duration_and_a_runbook(alerts: dict[str, dict[str, Any]]) -> None:
    channels = {"critical": "pagerduty", "warning": "email", "info": "slack"}
    for name, rule in alerts.items():
        assert rule["labels"]["channel"] == channels[rule["labels"]["severity"]], name
        assert rule["for"], name
        assert rule["annotations"]["runbook_url"].endswith(f"#{name.lower()}")
        assert "$value" in rule["annotations"]["description"], name
        assert "@" not in json.dumps(rule), name


def exported(records: Path) -> set[str]:
    """Return the name of every series that our servers export."""
    import inference.drift.metrics
    import inference.explainer
    import inference.transformer  # noqa: F401 - the imports register the metrics

    gateway = GatewayMetrics()
    CacheMetrics(gateway.registry)
    CallMetrics(gateway.registry)
    AccuracyExporter(Database(f"sqlite:///{records / 'records.db'}"), gateway.registry)
    names = set(REGISTRY._names_to_collectors) | set(gateway.registry._names_to_collectors)
    suffixes = {"counter": ("_total",), "histogram": ("_bucket", "_count", "_sum"), "gauge": ("",)}
    for family in ServerMetrics().collect():
        names |= {family.name + suffix for suffix in suffixes[family.type]}
    return names


def test_every_metric_that_is_asked_for_is_exported(
    groups: list[dict[str, Any]], boards: dict[str, dict[str, Any]], tmp_path: Path
) -> None:
    queries = [rule["expr"] for group in groups for rule in group["rules"]]
    queries += [q for board in boards.values() for q in expressions(board)]
    asked = {name for q in queries for name in re.findall(r"\b(?:arthaflow|kube)_[a-z0-9_]+", q)}
    known = exported(tmp_path)
    assert asked - known - KUBE_STATE == set(), "export it, or say in the runbook who does"


@needs_prometheus
def test_prometheus_parses_every_query_of_the_dashboards(boards: dict[str, dict[str, Any]], tmp_path: Path) -> None:
    queries = [q for board in boards.values() for q in expressions(board)]
    rules = [{"record": f"query:{i}", "expr": q} for i, q in enumerate(queries)]
    (tmp_path / "queries.yaml").write_text(yaml.safe_dump({"groups": [{"name": "dashboards", "rules": rules}]}))
    assert f"{len(queries)} rules found" in promtool("check", "rules", "--lint=none", str(tmp_path / "queries.yaml"))


def test_dashboards_are_well_formed(boards: dict[str, dict[str, Any]]) -> None:
    assert len({board["uid"] for board in boards.values()}) == len(boards) == 2
    for name, board in boards.items():
        panels = board["panels"]
        assert len({p["id"] for p in panels}) == len(panels), name
        assert board["templating"]["list"][0]["type"] == "datasource"
        taken: set[tuple[int, int]] = set()
        for panel in panels:
            at = panel["gridPos"]
            cells = {(at["x"] + i, at["y"] + j) for i in range(at["w"]) for j in range(at["h"])}
            assert not cells & taken, f"{name}: {panel['title']} lies over another panel"
            assert at["x"] + at["w"] <= 24
            taken |= cells
            if panel["type"] != "row":
                assert panel["description"], panel["title"]
                assert panel["datasource"] == {"type": "prometheus", "uid": "${datasource}"}


def test_dashboards_arrive_as_they_are(rendered: str, boards: dict[str, dict[str, Any]]) -> None:
    for name, board in boards.items():
        config = find(rendered, "ConfigMap", f"af-dashboard-{name.removesuffix('.json')}")
        assert config["metadata"]["labels"]["grafana_dashboard"] == "1"
        assert config["metadata"]["namespace"] == "monitoring"
        assert json.loads(config["data"][name]) == board


def matches(selector: dict[str, Any], labels: dict[str, str]) -> bool:
    """Evaluate a label selector as Kubernetes does."""
    if any(labels.get(key) != value for key, value in selector.get("matchLabels", {}).items()):
        return False
    for rule in selector.get("matchExpressions", []):
        value = labels.get(rule["key"])
        holds = {
            "Exists": value is not None,
            "In": value in rule.get("values", []),
            "NotIn": value not in rule.get("values", []),
        }
        if not holds[rule["operator"]]:
            return False
    return True


def test_monitors_select_what_the_chart_makes(rendered: str) -> None:
    detector = find(rendered, "InferenceService", "price-forecast-detector")["metadata"]["labels"]
    served = find(rendered, "InferenceService", "price-forecast-v1")["metadata"]["labels"]
    gateway = find(rendered, "Service", "arthaflow-gateway")
    pods = find(rendered, "PodMonitor", "arthaflow-models")["spec"]
    detectors = find(rendered, "ServiceMonitor", "arthaflow-detectors")["spec"]
    explainers = find(rendered, "ServiceMonitor", "arthaflow-explainers")["spec"]
    door = find(rendered, "ServiceMonitor", "arthaflow-gateway")["spec"]
    # KServe copies an InferenceService's labels to its pods and Services, and adds the component.
    assert matches(pods["selector"], {**served, "component": "predictor"})
    assert matches(pods["selector"], {**served, "component": "transformer"})
    assert not matches(pods["selector"], {**served, "component": "explainer"})
    assert not matches(pods["selector"], {**detector, "component": "predictor"})
    assert matches(explainers["selector"], {**served, "component": "explainer"})
    assert matches(detectors["selector"], {**detector, "component": "predictor"})
    assert not matches(detectors["selector"], {**served, "component": "predictor"})
    assert matches(door["selector"], gateway["metadata"]["labels"])
    assert door["endpoints"][0]["port"] in [port["name"] for port in gateway["spec"]["ports"]]
    container = find(rendered, "InferenceService", "price-forecast-v1")["spec"]["predictor"]["containers"][0]
    assert pods["podMetricsEndpoints"][0]["port"] in [port["name"] for port in container["ports"]]
    for kind, name in [("PodMonitor", "arthaflow-models"), ("PrometheusRule", "af-arthaflow")]:
        assert find(rendered, kind, name)["metadata"]["labels"]["release"] == "prometheus"


def kinds(text: str) -> set[str]:
    return {found["kind"] for found in objects(text)}


def test_knative_scrapes_the_servers_own_port() -> None:
    text = template(*MODEL, "-f", str(CHART / "values-knative.yaml"))
    assert find(text, "PodMonitor", "arthaflow-models")["spec"]["podMetricsEndpoints"][0]["port"] == "user-port"
    assert find(text, "PodMonitor", "arthaflow-explainers")["spec"]["podMetricsEndpoints"][0]["port"] == "user-port"


def test_monitoring_can_be_switched_off() -> None:
    made = {"PodMonitor", "ServiceMonitor", "PrometheusRule"}
    text = template(*MODEL, "--set", "monitoring.enabled=false")
    assert not made & kinds(text)
    assert "grafana_dashboard" not in text
    text = template(*MODEL, "--set", "monitoring.dashboards=false")
    assert made <= kinds(text)
    assert "grafana_dashboard" not in text


def test_a_model_that_scales_to_zero_is_not_called_down() -> None:
    text = template(*MODEL, "-f", str(CHART / "values-knative.yaml"), "--set", "models.price_forecast.minReplicas=0")
    assert "ArthaflowModelDown" not in text
    assert "ArthaflowLatencyAboveObjective" in text


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ("monitoring.rules.errorRateWarning=0.05", "a warning must come before the critical alert"),
        ("monitoring.rules.accuracyDropWarning=0.2", "a warning must come before the critical alert"),
        ('monitoring.interval="often"', "monitoring.interval"),
        ("monitoring.rules.psi=0", "psi"),
    ],
)
def test_limits_that_make_no_sense_are_refused(setting: str, said: str) -> None:
    done = render(*MODEL, "--set-json", setting)
    assert done.returncode != 0
    assert said in done.stderr


@needs_validator
@pytest.mark.parametrize("more", [[], ["-f", str(CHART / "values-knative.yaml")]], ids=["standard", "knative"])
def test_an_api_server_would_take_it(more: list[str]) -> None:
    made = [
        o for o in objects(template(*MODEL, *more)) if o["kind"] in {"PodMonitor", "ServiceMonitor", "PrometheusRule"}
    ]
    assert findings(yaml.safe_dump_all(made)) == []
