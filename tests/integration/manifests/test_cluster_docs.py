"""docs/cluster.md: what its commands name exists, and what can be run on one machine runs."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from functools import lru_cache
from itertools import pairwise, product
from pathlib import Path
from typing import Any

import click
import httpx
import pytest
import typer
import yaml
from minio import Minio

from components.registry.versions import Registry
from components.settings import Settings
from pipelines.cluster_table import DOCUMENT, table, written
from tests.support import helm
from tests.support.handmade import documented_secrets
from tests.support.kustomize import FOLDERS, ROOT, Object, build, needs_kubectl, pod_templates, references, restricted
from tests.support.manifests import findings, needs_validator
from tests.support.tiny import make_tiny_artifact

TEXT = DOCUMENT.read_text(encoding="utf-8")
BLOCKS = re.findall(r"```bash\n(.*?)```", TEXT, re.DOTALL)
SITE = {"REGISTRY": "registry.example.com/arthaflow", "TAG": "0.1.0", "DOMAIN": "models.local"}
PRODUCTION = "charts/arthaflow/values-production.yaml"
WAYS = [
    {**SITE, "OVERLAY": "laptop", "VALUES": "charts/arthaflow/values.yaml"},
    {**SITE, "OVERLAY": "production", "VALUES": PRODUCTION},
]
REMOTE = ("http://", "https://", "oci://", "github.com/")


def plain(block: str) -> str:
    """Return a block without the bodies of its here-documents, each command on one line."""
    block = re.sub(r"<<'?(\w+)'?(.*?\n).*?^\1$", r"\2", block, flags=re.DOTALL | re.MULTILINE)
    return block.replace("\\\n", " ")


def filled(line: str, variables: Mapping[str, str]) -> str:
    """Return a line with its variables' values; what the page sets from an answer of the cluster is anything."""
    return re.sub(r"\$\{?(\w+)\}?", lambda m: variables.get(m[1], "anything"), line)


@lru_cache
def commands(program: str) -> tuple[tuple[str, ...], ...]:
    """Return every call of a program in the page, its variables filled in for each way of installing."""
    found: dict[tuple[str, ...], None] = {}
    for block, way in product(BLOCKS, WAYS):
        for line in re.split(r"\n|(?<!\|)\|(?!\|)|;| & | && |\$\(", plain(block)):
            line = filled(line.strip(), way)
            line = re.sub(r"^do ", "", line)
            line = re.split(r"\s+[<>#]", line)[0]
            if line.startswith(f"{program} "):
                found[tuple(shlex.split(line.rstrip(")&")))] = None
    return tuple(found)


def values_of(arguments: tuple[str, ...], *names: str) -> list[str]:
    """Return the values of an option."""
    return [after for before, after in pairwise(arguments) if before in names] + [
        a.partition("=")[2] for a in arguments if a.partition("=")[0] in names and "=" in a
    ]


def options(arguments: tuple[str, ...]) -> list[str]:
    """Return the long options of a command, up to a `--`."""
    own = arguments[: arguments.index("--")] if "--" in arguments else arguments
    return [a.partition("=")[0] for a in own if re.match(r"--[a-z]", a)]


def titled(arguments: tuple[str, ...]) -> str:
    return " ".join(arguments)[:70]


@pytest.mark.parametrize("block", BLOCKS, ids=lambda b: b.splitlines()[0][:60])
def test_a_block_is_valid_bash(block: str) -> None:
    done = subprocess.run(["bash", "-n"], input=block, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_the_page_calls_every_kind_of_command() -> None:
    for program, least in {"kubectl": 40, "helm": 10, "arthaflow": 8, "make": 2}.items():
        assert len(commands(program)) >= least, program


@needs_kubectl
@pytest.mark.parametrize("arguments", commands("kubectl"), ids=titled)
def test_kubectl_knows_the_options_and_the_files_are_there(arguments: tuple[str, ...]) -> None:
    verbs = [a for a in arguments[1:] if not a.startswith("-")]
    helps = [kubectl_tells("options"), *(kubectl_tells(*verbs[:depth], "--help") for depth in (1, 2, 3))]
    unknown = [o for o in options(arguments) if not any(re.search(rf"{o}\b", text) for text in helps)]
    assert unknown == []
    folders = values_of(arguments, "-k") + (verbs[1:2] if verbs[0] == "kustomize" else [])
    for folder in folders:
        assert folder.startswith(REMOTE) or ROOT / folder in FOLDERS, folder
        assert folder.startswith(REMOTE) or build(ROOT / folder)
    for file in values_of(arguments, "-f", "--patch-file"):
        if not file.startswith((*REMOTE, "-", "/")):
            assert yaml.safe_load((ROOT / file).read_text(encoding="utf-8")), file


@lru_cache
def kubectl_tells(*words: str) -> str:
    done = subprocess.run(["kubectl", *words], capture_output=True, text=True, check=False)
    return done.stdout if done.returncode == 0 else ""


def command_of(arguments: tuple[str, ...]) -> tuple[click.Command, list[str]]:
    """Return the command of the program that a command line means, and what is left for it."""
    from pipelines.cli import app

    found, rest = typer.main.get_command(app), list(arguments[1:])
    while hasattr(found, "commands") and rest:
        assert rest[0] in found.commands, f"arthaflow has no command {rest[0]!r}"
        found = found.commands[rest.pop(0)]
    return found, rest


@pytest.mark.parametrize("arguments", commands("arthaflow"), ids=titled)
def test_arthaflow_takes_the_command_as_it_stands(arguments: tuple[str, ...]) -> None:
    found, rest = command_of(arguments)
    with found.make_context(found.name or "", rest):
        pass


def test_commands_named_in_passing_exist() -> None:
    for span in re.findall(r"`(arthaflow [^`]+)`", TEXT):
        found, rest = command_of(tuple(shlex.split(span)))
        known = {name for parameter in found.params for name in (*parameter.opts, *parameter.secondary_opts)}
        assert {a for a in rest if a.startswith("--")} <= known, span


@pytest.mark.parametrize("arguments", commands("make"), ids=titled)
def test_make_has_the_target(arguments: tuple[str, ...]) -> None:
    done = subprocess.run(["make", "-n", *arguments[1:]], capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    set_here = [a.partition("=")[0] for a in arguments[1:] if "=" in a]
    assert not [name for name in set_here if f"$({name})" not in (ROOT / "Makefile").read_text(encoding="utf-8")]


def test_pages_and_files_that_are_linked_exist() -> None:
    linked = [target for target in re.findall(r"\]\(([^)#]+)\)", TEXT) if not target.startswith(REMOTE)]
    named = re.findall(r"`((?:manifests|charts|docs|components)/[^`<$ ]+)`", TEXT)
    assert linked
    assert [target for target in linked if not (DOCUMENT.parent / target).exists()] == []
    assert [path for path in named if not (ROOT / path).exists()] == []


def test_links_inside_the_page_lead_somewhere() -> None:
    headings = re.findall(r"^#+ (.+)$", re.sub(r"```.*?```", "", TEXT, flags=re.DOTALL), re.MULTILINE)
    anchors = {re.sub(r"[^\w -]", "", heading).lower().replace(" ", "-") for heading in headings}
    assert set(re.findall(r"\]\(#([\w-]+)\)", TEXT)) <= anchors


def test_the_table_of_versions_is_what_is_installed_and_validated() -> None:
    rows = dict(
        re.findall(r"^\| ([\w -]+) \| ([^|]+) \|", TEXT.partition("## 1.")[2].partition("```bash")[0], re.MULTILINE)
    )
    installed = "\n".join(" ".join(c) for program in ("kubectl", "helm") for c in commands(program))
    for name in ("Gateway API", "Envoy Gateway", "cert-manager", "KServe", "Kubeflow Pipelines", "Katib"):
        versions = re.findall(r"\d+\.\d+\.\d+", rows[name])
        assert versions, name
        assert any(
            re.search(rf"(?:version|ref=|download/) ?v?{re.escape(v)}|ref=v?{re.escape(v)}", installed)
            for v in versions
        ), name
    values = yaml.safe_load((ROOT / "charts" / "arthaflow" / "values.yaml").read_text(encoding="utf-8"))
    assert re.findall(r"\d+\.\d+\.\d+", rows["KServe"])[0] in values["storage"]["initializer"]["image"]


def test_the_settings_are_edited_as_the_page_says(tmp_path: Path) -> None:
    (line,) = re.findall(r"^sed .*$", "\n".join(map(plain, BLOCKS)), re.MULTILINE)
    edit = shlex.split(filled(line, SITE))
    copy = Path(shutil.copy(ROOT / edit[-1], tmp_path / "settings.env"))
    subprocess.run([*edit[:-1], str(copy)], check=True)
    lines = copy.read_text(encoding="utf-8").splitlines()
    assert f"ARTHAFLOW_IMAGE_REGISTRY={SITE['REGISTRY']}" in lines
    assert f"ARTHAFLOW_IMAGE_TAG={SITE['TAG']}" in lines


def script(beginning: str) -> str:
    """Return the body of the page's only Python here-document that has ``beginning`` in it."""
    (found,) = (b for b in re.findall(r"<<'PY'\n(.*?)^PY$", TEXT, re.DOTALL | re.MULTILINE) if beginning in b)
    return str(found)


@pytest.fixture(scope="module")
def store() -> Iterator[str]:
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    for bucket in ("arthaflow", "arthaflow-backups"):
        httpx.put(f"http://{host}:{port}/{bucket}").raise_for_status()
    yield f"{host}:{port}"
    server.stop()


@pytest.fixture(scope="module")
def registered(store: str, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The environment of step 6, with one version of price_forecast in the registry."""
    home = tmp_path_factory.mktemp("home")
    environment = {
        "ARTHAFLOW_HOME": str(home),
        "ARTHAFLOW_ARTIFACT_STORE": "s3://arthaflow/artifacts",
        "ARTHAFLOW_S3_ENDPOINT": f"http://{store}",
        "AWS_ACCESS_KEY_ID": "arthaflow",
        "AWS_SECRET_ACCESS_KEY": "secret",
    }
    config = Settings(
        home=home, artifact_store="s3://arthaflow/artifacts", s3_endpoint=f"http://{store}",
        s3_access_key="arthaflow", s3_secret_key="secret",
    )  # fmt: skip
    details: dict[str, Any] = {"tags": {"arthaflow.reason": "it won"}, "params": {}, "metrics": {"rmse": 0.5}}
    Registry(config).register("price_forecast", make_tiny_artifact(home / "made").directory, key="run-1", **details)
    return environment


def run(arguments: list[str], environment: dict[str, str], **further: Any) -> str:
    """Run a program of this environment; a failure is the test's failure, with its words."""
    program = str(Path(sys.executable).with_name(arguments[0]))
    done = subprocess.run(
        [program, *arguments[1:]],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, **environment},
        **further,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_request_of_the_page_is_one_that_the_model_takes(registered: dict[str, str]) -> None:
    request = json.loads(run(["python", "-"], registered, input=script("golden.json"), cwd=ROOT))
    for tensor in request["inputs"]:
        assert set(tensor) == {"name", "datatype", "shape", "data"}


@needs_kubectl
def test_the_newest_backup_is_fetched(registered: dict[str, str], store: str, tmp_path: Path) -> None:
    s3 = Minio(store, "arthaflow", "secret", secure=False)
    for time in ("2026-01-02T01-30-00Z", "2026-01-10T01-30-00Z"):
        for database in ("mlflow", "feast", "arthaflow"):
            (tmp_path / "dump").write_text(f"{database} of {time}", encoding="utf-8")
            s3.fput_object("arthaflow-backups", f"postgres/{time}/{database}.dump", str(tmp_path / "dump"))
    text = script("arthaflow-backups")
    assert "localhost:9000" in text
    told = run(["python", "-"], registered, input=text.replace("localhost:9000", store), cwd=tmp_path)
    assert told.strip() == "postgres/2026-01-10T01-30-00Z"
    assert (tmp_path / "feast.dump").read_text(encoding="utf-8") == "feast of 2026-01-10T01-30-00Z"


def check_pods(made: list[Object]) -> None:
    """Check that pods fit the namespace `arthaflow`: Pod Security, and Secrets and ConfigMaps that the page has made."""
    there = {(o["kind"], o["metadata"]["name"]) for o in made}
    for workload, template in pod_templates(made):
        title = f"{workload['kind']}/{workload['metadata']['name']}"
        assert restricted(template["spec"]) == [], title
        for kind, name, key in references(template["spec"]):
            by_hand = documented_secrets().get(("arthaflow", name), {}) if kind == "Secret" else {}
            assert (kind, name) in there or (by_hand and (not key or key in by_hand)), (
                f"{title} wants {kind} {name} {key}"
            )


@helm.needs_helm
@needs_validator
def test_every_way_to_install_the_chart_renders_and_an_api_server_would_take_it(
    registered: dict[str, str], tmp_path: Path
) -> None:
    for name, marks in {"site.yaml": (">",), "further.yaml": (">", ">>")}.items():
        blocks = [b for mark in marks for b in BLOCKS if f"cat {mark} site.yaml" in b]
        assert len(blocks) == len(marks)
        told = "\n".join(blocks).replace("site.yaml", name)
        subprocess.run(["bash", "-c", told], check=True, cwd=tmp_path, env={**os.environ, **SITE})
    (write, *_) = (c for c in commands("arthaflow") if c[1] == "values")
    (tmp_path / "models.yaml").write_text(run(list(write), registered), encoding="utf-8")
    ways = [c for c in commands("helm") if "charts/arthaflow" in c and c[1] != "uninstall"]
    assert len(ways) >= 6
    for arguments in ways:
        named = values_of(arguments, "-f", "--values")
        named = [n.replace("site", "further") if PRODUCTION in named else n for n in named]
        files = [str(tmp_path / n) if (tmp_path / n).exists() else n for n in named]
        flags = [flag for file in files for flag in ("-f", file if Path(file).is_absolute() else str(ROOT / file))]
        release = arguments[arguments.index("charts/arthaflow") - 1]
        text = helm.template(*flags, release=release, namespace=values_of(arguments, "-n", "--namespace")[0])
        assert findings(text) == [], arguments
        check_pods(helm.objects(text))
        served = [o["metadata"]["name"] for o in helm.objects(text) if o["kind"] == "InferenceService"]
        assert bool(served) == (str(tmp_path / "models.yaml") in files), arguments


@helm.needs_helm
@pytest.mark.parametrize("arguments", commands("helm"), ids=titled)
def test_helm_knows_the_options_and_the_values_are_there(arguments: tuple[str, ...]) -> None:
    text = helm.helm(arguments[1], "--help").stdout
    assert [o for o in options(arguments) if not re.search(rf"{o}\b", text)] == []
    for file in values_of(arguments, "-f", "--values"):
        assert file in ("site.yaml", "models.yaml") or (ROOT / file).is_file(), file


@helm.needs_helm
def test_the_table_of_objects_is_fresh() -> None:
    from pipelines.chart_objects import objects_per_profile

    assert written(TEXT, table(objects_per_profile(helm.HELM))) == TEXT, "run `python -m pipelines.cluster_table`"


def test_a_document_without_the_marks_is_refused() -> None:
    with pytest.raises(ValueError, match="lacks one of the marks"):
        written("# No marks", "| a |")
