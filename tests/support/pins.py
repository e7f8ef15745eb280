"""Reads the compiled pins in ``requirements/``."""

from __future__ import annotations

import re
from pathlib import Path

FOLDER = Path(__file__).resolve().parents[2] / "requirements"
LINE = re.compile(r"^([a-z0-9-]+)(?:\[[a-z0-9,-]+\])?==([^\s;#]+)", re.MULTILINE)


def pins(name: str) -> dict[str, str]:
    """Return the version by package of ``requirements/<name>.txt``."""
    found = dict(LINE.findall((FOLDER / f"{name}.txt").read_text()))
    assert found, f"{name}.txt holds no pins"
    return found
