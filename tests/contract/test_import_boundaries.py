"""Modelling and feature code imports no platform; specs import nothing heavy; no pickle-like format is loaded."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PLATFORM = {"kfp", "mlflow", "feast", "kserve", "kubernetes"}
MODELLING = ("components/models", "components/features", "components/data", "components/evaluation")
SOURCES = ("components", "pipelines", "inference", "feature_repo")
UNSAFE_MODULES = {"pickle", "joblib", "dill", "cloudpickle", "shelve", "marshal"}


def python_files(*folders: str) -> list[Path]:
    files = [p for folder in folders for p in (ROOT / folder).rglob("*.py")]
    assert files
    return files


def imported(path: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names.add(node.module.split(".")[0])
    return names


@pytest.mark.parametrize("path", python_files(*MODELLING), ids=lambda p: str(p.relative_to(ROOT)))
def test_modelling_code_imports_no_platform(path: Path) -> None:
    assert not imported(path) & PLATFORM


@pytest.mark.parametrize("path", python_files(*SOURCES), ids=lambda p: str(p.relative_to(ROOT)))
def test_no_pickle_like_format(path: Path) -> None:
    assert not imported(path) & UNSAFE_MODULES
    text = path.read_text()
    for call in ("torch.load(", "allow_pickle=True", "yaml.load(", "pd.read_pickle("):
        assert call not in text, f"{path} calls {call}"


def test_catalogue_imports_nothing_heavy() -> None:
    heavy = "{'pandas', 'torch', 'tensorflow', 'sklearn', 'xgboost', 'pyarrow', 'onnxruntime', 'kfp', 'mlflow', 'feast', 'kserve'}"
    code = f"import sys, components.catalog as c; assert c.catalogue(); print(sorted({heavy} & set(sys.modules)))"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert result.stdout.strip() == "[]"


def test_only_the_http_boundary_catches_everything() -> None:
    broad = []
    for path in python_files(*SOURCES):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ExceptHandler):
                caught = node.type
                names = [caught] if not isinstance(caught, ast.Tuple) else caught.elts
                if caught is None or any(
                    isinstance(n, ast.Name) and n.id in {"Exception", "BaseException"} for n in names
                ):
                    broad.append(f"{path.relative_to(ROOT)}:{node.lineno}")
    allowed = [b for b in broad if b.startswith("inference/")]
    assert broad == allowed, f"broad except outside the servers' boundary: {sorted(set(broad) - set(allowed))}"
    assert len(allowed) <= 4, allowed
