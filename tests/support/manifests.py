"""Strict offline checks of Kubernetes objects: the validator and the schemas that lie beside the checkout."""

from __future__ import annotations

import os
import subprocess
import sys
from functools import lru_cache
from pathlib import Path

import pytest

SHARED = Path(os.environ.get("ARTHAFLOW_SHARED", Path(__file__).parents[3] / "shared"))
VALIDATOR = SHARED / "tools" / "validate_manifests.py"

needs_validator = pytest.mark.skipif(
    not VALIDATOR.is_file(), reason=f"{VALIDATOR} is not there; ARTHAFLOW_SHARED names the folder that has it"
)


def findings(text: str, *options: str) -> list[str]:
    """Return what an API server would refuse in a YAML stream; an object without a schema is a finding too."""
    return list(_findings(text, options))


@lru_cache(maxsize=256)  # toggles that change nothing render the same text
def _findings(text: str, options: tuple[str, ...]) -> tuple[str, ...]:
    command = [sys.executable, str(VALIDATOR), "--require-schema", *options]
    done = subprocess.run(command, input=text, capture_output=True, text=True, check=False)
    assert done.returncode in (0, 1), done.stderr
    return tuple(line for line in (done.stdout + done.stderr).splitlines() if line.strip())
