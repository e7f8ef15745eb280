"""Which image role runs which step: read from the compiled graphs of every model, as a cluster reads them."""

from __future__ import annotations

import ast
import textwrap
from functools import lru_cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import yaml

from pipelines.compile import write_compiled
from tests.support.imports import Module, Reach


@lru_cache(maxsize=1)
def reached_by_role() -> dict[str, Reach]:
    """Return, by image role, what the steps that run in it import."""
    found: dict[str, Reach] = {}
    with TemporaryDirectory() as folder:
        for path in write_compiled(Path(folder)):
            graph = next(yaml.safe_load_all(path.read_text()))
            for name, executor in graph["deploymentSpec"]["executors"].items():
                follow(f"{path.stem}:{name}", executor["container"], found)
    return found


def follow(name: str, container: dict[str, Any], found: dict[str, Reach]) -> None:
    """Add what one step imports to the reach of its image's role."""
    role = container["image"].rsplit("/", 1)[-1].split(":")[0]
    tree = ast.parse(textwrap.dedent(container["command"][-1]))
    found.setdefault(role, Reach()).statements(tree.body, Module(name, [], tree))
