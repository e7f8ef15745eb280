"""Arguments held to a compiled graph's inputs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from components.catalog import get_spec
from components.errors import ConfigurationError
from pipelines.graph_arguments import graph_arguments, read_pairs

INPUTS = {
    "model": {"parameterType": "STRING", "defaultValue": "price_forecast", "isOptional": True},
    "version": {"parameterType": "STRING"},
    "percent": {"parameterType": "NUMBER_INTEGER", "defaultValue": 10.0, "isOptional": True},
    "soak": {"parameterType": "NUMBER_DOUBLE", "defaultValue": 0.5, "isOptional": True},
    "dry": {"parameterType": "BOOLEAN", "defaultValue": False, "isOptional": True},
    "steps": {"parameterType": "LIST", "defaultValue": [10.0], "isOptional": True},
    "more": {"parameterType": "STRUCT", "defaultValue": {}, "isOptional": True},
}


@pytest.fixture
def package(tmp_path: Path) -> Path:
    path = tmp_path / "graph.yaml"
    path.write_text(yaml.safe_dump({"root": {"inputDefinitions": {"parameters": INPUTS}}}))
    return path


def read(package: Path, **given: Any) -> dict[str, Any]:
    return graph_arguments("rollout", get_spec("price_forecast"), package, given)


def test_text_is_read_as_the_inputs_type(package: Path) -> None:
    given = {"version": "3", "percent": "25", "soak": "1.5", "dry": "true", "steps": "[10, 50]", "more": '{"a": 1}'}
    assert read(package, **given) == {
        "version": "3",
        "percent": 25,
        "soak": 1.5,
        "dry": True,
        "steps": [10, 50],
        "more": {"a": 1},
    }
    assert read(package, version="3", steps="a, b,c") == {"version": "3", "steps": ["a", "b", "c"]}


def test_values_of_python_pass_as_they_are(package: Path) -> None:
    assert read(package, version="3", dry=False, steps=("x",), soak=2, more=None) == {
        "version": "3",
        "dry": False,
        "steps": ["x"],
        "soak": 2,
    }


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({}, "rollout graph of price_forecast needs version. Pass --param version="),
        ({"version": "3", "percnt": "1"}, r"no argument 'percnt'. Did you mean 'percent'\?"),
        ({"version": 3}, "version takes text"),
        ({"version": "3", "percent": "1.5"}, "percent takes a whole number"),
        ({"version": "3", "percent": "true"}, "percent takes a whole number"),
        ({"version": "3", "soak": "long"}, "soak takes a number"),
        ({"version": "3", "dry": "1"}, "dry takes true or false"),
        ({"version": "3", "more": "[]"}, "more takes a JSON object"),
        ({"version": "3", "more": '{"a": "' + "x" * 10_000 + '"}'}, "characters; a cluster takes 10,000"),
        ({"version": "3", "model": "other"}, "model='other'"),
    ],
)
def test_what_a_graph_cannot_take_is_named(package: Path, given: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        read(package, **given)


def test_pairs() -> None:
    assert read_pairs(["a=1", "b=x=y", "c="]) == {"a": "1", "b": "x=y", "c": ""}
    for bad, words in (["=1"], "has no value"), (["a=1", "a=2"], "given twice"):
        with pytest.raises(ConfigurationError, match=words):
            read_pairs(bad)
