"""What surrounds a rollout on KServe: the exit handler, the command line, and objects as strict as a server wants them."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from components.errors import ConfigurationError
from components.registry.versions import CANDIDATE, Registry
from components.rollout.cluster import Site, take_over
from components.rollout.plan import RolloutPlan
from components.rollout.targets.services import readiness
from components.rollout.targets.waiting import wait_for
from components.settings import Settings, settings
from components.stages import rollout as stages
from pipelines.cli import app
from pipelines.rolling import abort_on_cluster
from tests.integration.rollout.kubernetes_fixture import Cluster, Wire
from tests.integration.rollout.served import BASE, MODEL, Steady, artifact, install
from tests.integration.rollout.test_kserve_rollout import MODES, label, roll, site_on, state, weights
from tests.support.helm import needs_helm, objects, template
from tests.support.manifests import findings, needs_validator

PLAN = RolloutPlan(steps=(50, 100), soak_s=5, interval_s=5, max_wait_s=50)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory, artifacts: dict[str, Path]) -> Path:
    home = tmp_path_factory.mktemp("home")
    for version in ("1", "2"):
        Registry(Settings(home=home)).register(
            MODEL, artifacts[version], key=f"run{version}", tags={}, params={}, metrics={}, alias=CANDIDATE
        )
    return home


@pytest.fixture
def begun(pretended: Cluster, tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch) -> Cluster:
    """A cluster where the run ``run-a`` stopped at its first step, and the processes' way to it."""
    assert pretended.fake is not None
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "fake",
        "clusters": [{"name": "fake", "cluster": {"server": pretended.fake.url}}],
        "users": [{"name": "nobody", "user": {}}],
        "contexts": [{"name": "fake", "context": {"cluster": "fake", "user": "nobody"}}],
    }
    (tmp_path / "kubeconfig").write_text(yaml.safe_dump(config))
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "kubeconfig"))
    monkeypatch.setenv("ARTHAFLOW_HOME", str(home))
    settings.cache_clear()
    install(pretended.api(), "Standard")
    site = site_on(Wire(pretended), "Standard", home / "artifacts" / "rollouts", Steady(requests=400))
    driver = take_over(site, "2", artifact("2"), PLAN, run_id="run-a")
    driver.rollout.prepare()
    driver.rollout.step(50)
    return pretended


@pytest.fixture(autouse=True)
def fresh_settings() -> None:
    settings.cache_clear()


@pytest.mark.parametrize(("choice", "phase", "serves"), [("rollback", "idle", {"1": 100}), ("hold", "held", None)])
def test_the_exit_handler_leaves_nothing_half_done(
    begun: Cluster, choice: str, phase: str, serves: dict[str, int] | None
) -> None:
    asked = stages.Asked(MODEL, namespace="ml", on_inconclusive=choice, drain_s=0.0)
    other = stages.finish(asked, "run-b", "FAILED", "")
    assert "Version 1 serves" in other
    assert state(begun)["phase"] == "step"  # not its rollout: not touched
    told = stages.finish(asked, "run-a", "CANCELLED", "")
    assert "The run ended as CANCELLED before a decision" in told
    assert state(begun)["phase"] == phase
    wanted = {f"{BASE}-v{v}": w for v, w in serves.items()} if serves else {f"{BASE}-v1": 50, f"{BASE}-v2": 50}
    assert weights(begun) == wanted
    assert stages.finish(asked, "run-a", "CANCELLED", "")  # tried again
    assert begun.broken == []


def test_a_promotion_that_was_cut_short_is_completed_by_the_exit_handler(begun: Cluster) -> None:
    site = site_on(Wire(begun), "Standard", Path("/nonexistent"), Steady(requests=400))
    driver = take_over(
        Site(MODEL, "ml", kube=site.kube, source=site.source, drain_s=0.0), "2", artifact("2"), PLAN, run_id="run-a"
    )

    def away(version: str) -> None:
        raise ConfigurationError(f"no registry for {version}")

    driver.rollout.on_promote = away
    driver.rollout.step(100)
    with pytest.raises(ConfigurationError, match="no registry"):
        driver.rollout.conclude(stages.Decision("advance", "well"))
    told = stages.finish(stages.Asked(MODEL, namespace="ml", drain_s=0.0), "run-a", "FAILED", "")
    assert "was promoted" in told
    assert (weights(begun), label(begun, f"{BASE}-v1")) == ({f"{BASE}-v2": 100}, None)
    assert Registry(Settings(home=settings().root)).get(MODEL).version == "2"
    Registry(Settings(home=settings().root)).set_alias(MODEL, "production", "1")


def test_status_and_abort_on_the_command_line(begun: Cluster) -> None:
    run = CliRunner().invoke
    told = run(app, ["rollout", "status", MODEL, "--namespace", "ml"]).output
    for words in ("version 1", "version 2 at 50 %", "run-a", "price-forecast-v2 50 %"):
        assert words in " ".join(told.split())
    other = run(
        app,
        [
            "rollout",
            "start",
            MODEL,
            "--version",
            "2",
            "--target",
            "kserve",
            "--namespace",
            "ml",
            "--artifact",
            artifact("2"),
        ],
    )
    assert "driven by run-a" in str(other.exception)
    taken = run(app, ["rollout", "abort", MODEL, "--namespace", "ml", "--drain", "0"])
    assert taken.exit_code == 0, taken.exception
    assert "rolled back" in taken.output
    assert (weights(begun), label(begun, f"{BASE}-v2")) == ({f"{BASE}-v1": 100}, None)
    history = run(app, ["rollout", "history", MODEL]).output
    assert "Taken back by" in " ".join(history.split())
    with pytest.raises(ConfigurationError, match="No rollout of price_forecast is unfinished"):
        abort_on_cluster(Site(MODEL, "ml"))
    assert begun.broken == []


@needs_validator
@MODES
def test_what_is_written_fits_the_schemas(pretended: Cluster, tmp_path: Path, mode: str) -> None:
    assert pretended.fake is not None
    install(pretended.api(), mode)
    pretended.fake.written.clear()
    roll(site_on(Wire(pretended), mode, tmp_path, Steady(requests=400)), plan=PLAN)
    written = [{k: v for k, v in o.items() if k != "status"} for o in pretended.fake.written]
    assert {o["kind"] for o in written} >= {"ConfigMap", "Lease", "InferenceService"}
    assert findings(yaml.safe_dump_all(written, sort_keys=False)) == []


@needs_helm
@needs_validator
def test_what_the_chart_renders_can_be_rolled_out(pretended: Cluster, tmp_path: Path) -> None:
    """The canary of the chart's own first version, with everything that the chart gives it."""
    assert pretended.fake is not None
    values = [
        "--set",
        f"models.{MODEL}.version=1",
        "--set",
        f"models.{MODEL}.artifact=s3://arthaflow/artifacts/{MODEL}/run1/",
    ]
    rendered = objects(template(*values))
    mine = [
        o for o in rendered if o["kind"] in ("InferenceService", "HTTPRoute") and o["metadata"]["name"].startswith(BASE)
    ]
    for made in sorted(mine, key=lambda o: o["kind"], reverse=True):
        pretended.api().create(made)
    first = wait_for(pretended.api(), "InferenceService", f"{BASE}-v1", readiness, 30.0, Steady())
    assert first.done, first.said
    pretended.fake.broken.clear()  # the route was there before its backend was ready, as with any first installation
    pretended.fake.written.clear()
    site = site_on(Wire(pretended), "Standard", tmp_path, Steady(requests=400))
    target = f"s3://arthaflow/artifacts/{MODEL}/run2/"
    driver = take_over(site, "2", target, PLAN)
    driver.rollout.prepare()
    driver.rollout.step(50)
    canaried = objects(
        template(
            *values,
            "--set",
            f"models.{MODEL}.canary.version=2",
            "--set",
            f"models.{MODEL}.canary.artifact={target}",
            "--set",
            f"models.{MODEL}.canary.percent=50",
        )
    )
    for kind, name in (("InferenceService", f"{BASE}-v2"), ("HTTPRoute", BASE)):
        live = pretended.api().get(kind, name)
        wanted = next(o for o in canaried if (o["kind"], o["metadata"]["name"]) == (kind, name))
        assert live is not None
        assert _plain(live["spec"]) == _plain(wanted["spec"])  # so an upgrade during a rollout changes nothing
    assert findings(yaml.safe_dump_all(pretended.fake.written, sort_keys=False)) == []
    assert pretended.broken == []


def _plain(value: object) -> object:
    """Without the defaults that a server fills in, and with rules in one order."""
    if isinstance(value, dict):
        kept = {
            k: _plain(v)
            for k, v in value.items()
            if (k, v) not in (("group", ""), ("kind", "Service"), ("type", "Exact"))
        }
        return {k: v for k, v in kept.items() if (k, v) != ("weight", 1)}
    return [_plain(v) for v in value] if isinstance(value, list) else value
