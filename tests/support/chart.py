"""The chart with an example model: rendered with further values, refused with a sentence, walked toggle by toggle."""

from __future__ import annotations

import copy
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from tests.support.helm import CHART, render

Values = dict[str, Any]
STORE = "s3://arthaflow/artifacts/price_forecast"
SERVED: Values = {"models": {"price_forecast": {"version": "1", "artifact": f"{STORE}/abc/"}}}
CANARY: Values = {
    "models": {"price_forecast": {"canary": {"version": "2", "artifact": f"{STORE}/def/", "percent": 10}}}
}
PROFILES = ("minimal", "gpu", "knative", "production")


def merged(*parts: Mapping[str, Any]) -> Values:
    """Return values laid over each other as Helm does it: objects merge, everything else is replaced."""
    result: Values = {}
    for part in parts:
        for key, value in part.items():
            old = result.get(key)
            both = isinstance(old, dict) and isinstance(value, Mapping)
            result[key] = merged(old or {}, value) if both else copy.deepcopy(value)
    return result


def nested(path: str, value: Any) -> Values:
    """Return values with one key set: ``nested("gpu.enabled", True)``; dots separate keys."""
    for key in reversed(path.split(".")):
        value = {key: value}
    result: Values = value
    return result


def defaults() -> Values:
    """Return ``values.yaml``."""
    loaded: Values = yaml.safe_load((CHART / "values.yaml").read_text(encoding="utf-8"))
    return loaded


def profile(name: str) -> Values:
    """Return the values of a profile."""
    loaded: Values = yaml.safe_load((CHART / f"values-{name}.yaml").read_text(encoding="utf-8"))
    return loaded


def run(*parts: Mapping[str, Any], served: bool = True) -> subprocess.CompletedProcess[str]:
    """Render the chart with the example model (unless ``served`` is false) and these values over it."""
    with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
        yaml.safe_dump(merged(SERVED if served else {}, *parts), file)
        file.flush()
        return render("-f", file.name)


def chart(*parts: Mapping[str, Any], served: bool = True) -> str:
    """Render; a failure is the test's failure, with Helm's words."""
    done = run(*parts, served=served)
    assert done.returncode == 0, done.stderr
    return done.stdout


def refusal(*parts: Mapping[str, Any], served: bool = True) -> str:
    """Render what must be refused; return Helm's words."""
    done = run(*parts, served=served)
    assert done.returncode != 0, "Helm rendered what it should have refused"
    return done.stderr


def leaves(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield the dotted path and the value of every key that is no object with keys."""
    for key, value in values.items():
        if isinstance(value, dict) and value and "/" not in "".join(value):
            yield from leaves(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def schema_of(schema: Mapping[str, Any], path: str) -> Mapping[str, Any]:
    """Return the schema of one key, references followed; nothing for a key that the user names."""
    here: Mapping[str, Any] = schema
    for key in path.split("."):
        here = here.get("properties", {}).get(key, {})
        if "$ref" in here:
            here = schema["definitions"][here["$ref"].rsplit("/", 1)[1]]
    return here


def chart_file(name: str) -> Path:
    """Return a file of the chart."""
    return CHART / name
