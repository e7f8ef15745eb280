"""The arguments of a compiled graph: names and types checked against its own inputs, before anything is sent."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from components.errors import ConfigurationError
from components.models.spec import ModelSpec
from pipelines.arguments import training_arguments

LONGEST = 10_000
"""Characters of one parameter that a cluster takes (kubeflow/pipelines#12510)."""

TYPES: dict[str, tuple[type, ...]] = {
    "STRING": (str,),
    "BOOLEAN": (bool,),
    "NUMBER_INTEGER": (int,),
    "NUMBER_DOUBLE": (int, float),
    "LIST": (list, tuple),
    "STRUCT": (dict,),
}
WORDS = {
    "STRING": "text",
    "BOOLEAN": "true or false",
    "NUMBER_INTEGER": "a whole number",
    "NUMBER_DOUBLE": "a number",
    "LIST": "a JSON list, or names with commas",
    "STRUCT": "a JSON object",
}


def read_inputs(package: Path) -> dict[str, dict[str, Any]]:
    """Return the inputs of a compiled graph by name, with ``parameterType`` and perhaps ``defaultValue``."""
    import yaml

    graph = next(yaml.safe_load_all(package.read_text(encoding="utf-8")))
    found: dict[str, dict[str, Any]] = graph["root"].get("inputDefinitions", {}).get("parameters", {})
    return found


def graph_arguments(kind: str, spec: ModelSpec, package: Path, given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments of a run, checked.

    Parameters
    ----------
    kind : str
        Of graph; arguments of training and tuning are checked and completed as those of a local run are.
    spec : ModelSpec
        The model.
    package : Path
        The compiled graph.
    given : mapping
        Text is read as the input's type; None means the graph's default.

    Raises
    ------
    ConfigurationError
        If the graph has no such input, or cannot take the value.
    """
    inputs = read_inputs(package)
    asked = {}
    for name, value in given.items():
        if name not in inputs:
            near = get_close_matches(name, inputs, n=1)
            hint = f"Did you mean {near[0]!r}? " if near else ""
            raise ConfigurationError(
                f"The {kind} graph of {spec.name} has no argument {name!r}.", f"{hint}It takes {', '.join(inputs)}."
            )
        if value is not None:
            asked[name] = value
    lacking = [n for n, i in inputs.items() if n not in asked and not i.get("isOptional") and "defaultValue" not in i]
    if lacking:
        raise ConfigurationError(
            f"The {kind} graph of {spec.name} needs {', '.join(lacking)}.", f"Pass --param {lacking[0]}=..."
        )
    if kind in ("train", "tune"):
        typed = {n: _read(n, v, inputs[n]) for n, v in asked.items() if n != "model"}
        asked = {**asked, **_complete(kind, spec, typed)}
    checked = {name: _read(name, value, inputs[name]) for name, value in asked.items()}
    if checked.get("model", spec.name) != spec.name:
        raise ConfigurationError(
            f"The graph is {spec.name}'s, and model={checked['model']!r} was given.", "Name the model first instead."
        )
    for name, value in checked.items():
        size = len(value if isinstance(value, str) else json.dumps(value))
        if size > LONGEST:
            raise ConfigurationError(
                f"The argument {name!r} has {size:,} characters; a cluster takes {LONGEST:,}.",
                "Put it into a file that the steps can reach.",
            )
    return checked


def read_pairs(given: Iterable[str]) -> dict[str, str]:
    """Read ``name=value`` pairs.

    Raises
    ------
    ConfigurationError
        If one has no equals sign, or a name comes twice.
    """
    pairs: dict[str, str] = {}
    for text in given:
        name, equals, value = text.partition("=")
        if not equals or not name:
            raise ConfigurationError(f"The parameter {text!r} has no value.", "Write it as name=value.")
        if name in pairs:
            raise ConfigurationError(f"The parameter {name!r} is given twice.", "Give it once.")
        pairs[name] = value
    return pairs


def _complete(kind: str, spec: ModelSpec, given: Mapping[str, Any]) -> dict[str, Any]:
    if kind == "train":
        return training_arguments(spec, given)
    from pipelines.tune import tuning_arguments

    return tuning_arguments(spec, given)


def _read(name: str, value: Any, declared: Mapping[str, Any]) -> Any:
    kind = str(declared["parameterType"])
    if isinstance(value, str) and kind != "STRING":
        value = _from_text(value, kind)
    if kind in ("NUMBER_INTEGER", "NUMBER_DOUBLE") and isinstance(value, bool):
        value = None
    if kind == "LIST" and isinstance(value, tuple):
        value = list(value)
    if kind == "STRING" and isinstance(value, Mapping):
        value = json.dumps(dict(value))
    if not isinstance(value, TYPES.get(kind, (object,))):
        raise ConfigurationError(f"{name} takes {WORDS[kind]}.", f"Write --param {name}=..., for example its default.")
    return value


def _from_text(text: str, kind: str) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        return [part.strip() for part in text.split(",") if part.strip()] if kind == "LIST" else None
