"""The images: one Dockerfile target, one file of pins and one extra per role, all of a piece."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from components.errors import ConfigurationError
from components.images import PREDICTORS, ROLES, image
from tests.support.dockerfiles import DOCKERFILES, ROOT, environment, stages, targets
from tests.support.pins import FOLDER, pins

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
EXTRAS = PROJECT["project"]["optional-dependencies"]
CUDA = sorted(p.stem for p in FOLDER.glob("*-cuda.txt"))
PREDICTOR_ROLES = sorted(set(PREDICTORS.values()))
TRAINING = {
    "scikit-learn",
    "xgboost",
    "tensorflow",
    "keras",
    "onnx",
    "onnxmltools",
    "mlflow",
    "mlflow-skinny",
    "kfp",
    "scipy",
    "feast",
}
COMPILERS = re.compile(r"\b(gcc|g\+\+|clang|build-essential|cargo|make|apt-get|apt)\b")
SAME = {
    "xgboost-cpu": "xgboost",
    "onnxruntime-gpu": "onnxruntime",
    "mlflow-skinny": "mlflow",
    "opencv-python-headless": "",
}
"""Packages that are another build of a package in the local environment."""


def test_every_role_is_a_target_and_every_target_a_role() -> None:
    assert sorted(targets()) == sorted(ROLES)


def test_an_image_is_named_by_its_role() -> None:
    assert image("gateway").rsplit("/", 1)[1].startswith("gateway:")
    with pytest.raises(ConfigurationError, match=r"'predictor'.*Use one of: train-tabular"):
        image("predictor")


@pytest.mark.parametrize("file", DOCKERFILES, ids=lambda p: p.parent.name)
def test_hadolint_finds_nothing(file: Path) -> None:
    assert "hadolint ignore" not in file.read_text()
    found = subprocess.run(
        [Path(sys.executable).with_name("hadolint"), "--no-color", file], capture_output=True, text=True, check=False
    )
    assert (found.returncode, found.stdout, found.stderr) == (0, "", "")


def test_no_other_dockerfile_escapes_these_tests() -> None:
    listed = subprocess.run(["git", "ls-files", "*Dockerfile*"], cwd=ROOT, capture_output=True, text=True, check=True)
    assert sorted(listed.stdout.split()) == sorted(str(p.relative_to(ROOT)) for p in DOCKERFILES)


def test_both_files_start_with_the_same_stages() -> None:
    one, other = (f.read_text().split("FROM scratch AS wheels")[1].split("FROM runtime AS")[0] for f in DOCKERFILES)
    shared = [text.rsplit("WORKDIR /tmp", 1)[0] for text in (one, other)]
    assert shared[0] == shared[1]


@pytest.mark.parametrize("role", ROLES)
def test_an_image_is_its_environment_on_the_slim_base_and_no_root(role: str) -> None:
    stage = targets()[role]
    assert stage.all("USER")[-1] == "1000:1000"
    assert stage.all("COPY") == [f"--from={role}-environment /opt/arthaflow /opt/arthaflow"]
    assert not stage.all("RUN")
    runtime = stages(stage.file)["runtime"]
    assert runtime.base == "${PYTHON_IMAGE}"
    assert re.search(r"^ARG PYTHON_IMAGE=python:3\.11-slim\b", stage.file.read_text(), re.MULTILINE)
    assert not [line for line in runtime.all("RUN") if COMPILERS.search(line)]


@pytest.mark.parametrize("role", ROLES)
def test_what_an_image_writes_lies_below_tmp(role: str) -> None:
    told = environment(role)
    for name in ("HOME", "ARTHAFLOW_HOME", "XDG_CACHE_HOME", "MPLCONFIGDIR", "NUMBA_CACHE_DIR", "KERAS_HOME"):
        assert Path(told[name]).is_relative_to("/tmp"), name
    assert told["PYTHONDONTWRITEBYTECODE"] == "1"
    assert told["PYTHONSAFEPATH"] == "1"  # nothing of it is imported: /tmp is also where processes start
    assert "UV_COMPILE_BYTECODE=1" in stages(targets()[role].file)["builder"].all("ENV")[0]


@pytest.mark.parametrize("role", ROLES)
def test_a_role_installs_its_own_pins(role: str) -> None:
    build = stages(targets()[role].file)[f"{role}-environment"]
    copied = build.all("COPY")[0].split()[:-1]
    assert copied == [f"requirements/{n}.txt" for n in (role, f"{role}-cuda") if n == role or n in CUDA]
    assert all((ROOT / name).exists() for name in copied)
    assert build.all("RUN")[0].endswith(f"requirements/install.sh {role}")
    assert ("ACCELERATOR" in build.all("ARG")) == (f"{role}-cuda" in CUDA)
    assert ("TORCH_BACKEND" in build.all("ARG")) == ("torch" in pins(role))


@pytest.mark.parametrize("file", DOCKERFILES, ids=lambda p: p.parent.name)
def test_the_builder_is_sent_what_it_copies(file: Path) -> None:
    allowed = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    copies = [c for s in stages(file).values() for c in s.all("COPY") if not c.startswith("--from")]
    sources = [source for copy in copies for source in copy.split()[:-1]]
    assert sources
    for source in sources:
        assert (ROOT / source).exists(), source
        assert source.split("/")[0] in allowed, source


@pytest.mark.parametrize("name", [*ROLES, *CUDA])
def test_pins_have_an_extra(name: str) -> None:
    assert name in EXTRAS


@pytest.mark.parametrize("name", [r for r in [*ROLES, *CUDA] if r != "explainer"])
def test_pins_are_those_of_the_local_environment(name: str) -> None:
    local, own = pins("main"), pins(name)
    shared = {SAME.get(package, package): version for package, version in own.items()}
    assert {p: v for p, v in shared.items() if p in local} == {p: local[p] for p in shared if p in local}


@pytest.mark.parametrize("name", CUDA)
def test_a_gpu_changes_only_the_gpu_packages(name: str) -> None:
    cpu, gpu = pins(name.removesuffix("-cuda")), pins(name)
    renamed = {SAME.get(p, p) if p == "onnxruntime-gpu" else p: v for p, v in gpu.items()}
    more = {p for p in renamed if p not in cpu}
    assert cpu == {p: renamed[p] for p in cpu}
    assert more
    assert all(p.startswith(("nvidia-", "cuda-")) or p == "triton" for p in more), more
    assert len({p.rsplit("-", 1)[1] for p in more if re.search(r"cudnn-cu\d+$", p)}) <= 1, (
        "two cuDNN overwrite each other"
    )


@pytest.mark.parametrize("role", [*ROLES, "main"])
def test_no_gpu_package_creeps_into_a_cpu_image(role: str) -> None:
    assert not [p for p in pins(role) if p.startswith("nvidia-") or p == "triton"]


@pytest.mark.parametrize("role", [*PREDICTOR_ROLES, "gateway", "explainer"])
def test_a_server_holds_no_training_library(role: str) -> None:
    needed = {
        "explainer": {"scikit-learn", "scipy"},  # Alibi calls them
        "gateway": {"scipy"},  # the statistics of A/B tests
        "predictor-portfolio": {"scikit-learn", "scipy"},  # skfolio calls them
    }
    assert not (TRAINING - needed.get(role, set())) & set(pins(role))


def test_alibi_is_in_its_own_image_alone() -> None:
    assert [r for r in [*ROLES, *CUDA, "main"] if {"alibi", "alibi-detect"} & set(pins(r))] == ["explainer"]


def test_overrides_are_the_same_for_every_command_of_uv() -> None:
    lines = (FOLDER / "overrides.txt").read_text().splitlines()
    assert [line for line in lines if not line.startswith("#")] == PROJECT["tool"]["uv"]["override-dependencies"]


@pytest.mark.parametrize(
    ("accelerator", "role", "told"),
    [
        ("tpu", "tune", "ACCELERATOR=tpu is not offered: use cpu or cuda."),
        ("cpu", "nobody", "There are no pins .*nobody.txt"),
    ],
)
def test_the_installer_refuses_what_it_cannot_install(accelerator: str, role: str, told: str) -> None:
    done = subprocess.run(
        [FOLDER / "install.sh", role], env={"PATH": "/usr/bin:/bin", "ACCELERATOR": accelerator}, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert re.search(told, done.stderr)


def test_the_page_on_images_lists_every_role() -> None:
    page = (ROOT / "docs" / "images.md").read_text()
    rows = re.findall(r"^\| `([a-z-]+)` \| `([a-z/]+Dockerfile)` \|", page, re.MULTILINE)
    assert rows == [(role, str(targets()[role].file.relative_to(ROOT))) for role in ROLES]
