"""Reads the project's Dockerfiles: their stages, and what a target's image is told."""

from __future__ import annotations

import json
import re
import shlex
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
DOCKERFILES = (ROOT / "components" / "Dockerfile", ROOT / "inference" / "Dockerfile")
PREFIX = "/opt/arthaflow"
"""Where an image has its virtual environment."""


@dataclass
class Stage:
    """One ``FROM`` and the instructions below it, as ``(name, arguments)``."""

    name: str
    base: str
    file: Path
    instructions: list[tuple[str, str]] = field(default_factory=list)

    def all(self, name: str) -> list[str]:
        """Return the arguments of every instruction of that name."""
        return [arguments for found, arguments in self.instructions if found == name]


def stages(file: Path) -> dict[str, Stage]:
    """Return a Dockerfile's stages by name."""
    text = re.sub(r"^\s*#.*\n", "", file.read_text(), flags=re.MULTILINE).replace("\\\n", " ")
    found: dict[str, Stage] = {}
    for line in filter(None, map(str.strip, text.splitlines())):
        name, arguments = line.split(maxsplit=1)
        if name == "FROM":
            base, _, alias = arguments.partition(" AS ")
            current = found.setdefault(alias, Stage(alias, base, file))
        elif found:
            current.instructions.append((name, arguments))
    return found


def targets() -> dict[str, Stage]:
    """Return the stages that are images: those that stand on ``runtime``, by role."""
    return {s.name: s for file in DOCKERFILES for s in stages(file).values() if s.base == "runtime"}


def entry_point(role: str) -> list[str]:
    """Return a role's ``ENTRYPOINT``."""
    (command,) = targets()[role].all("ENTRYPOINT")
    words: list[str] = json.loads(command)
    return words


def environment(role: str) -> dict[str, str]:
    """Return the variables that a role's image sets, ``PATH`` without the base image's part."""
    file = targets()[role].file
    pairs = [w.split("=", 1) for line in stages(file)["runtime"].all("ENV") for w in shlex.split(line)]
    told = dict(pairs)
    return {**told, "PATH": told["PATH"].removesuffix(":$PATH"), "ARTHAFLOW_GIT_COMMIT": "unknown"}
