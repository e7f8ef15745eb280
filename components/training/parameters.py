"""From the loose parameters of a graph to a model's typed hyper-parameters."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from difflib import get_close_matches
from typing import Any

from components.errors import ConfigurationError
from components.models.contract import Model
from components.models.spec import ModelSpec


def make_params(spec: ModelSpec, values: Mapping[str, Any]) -> Any:
    """Return the model's ``Params`` with some values replaced.

    Lists become tuples, and whole floats become integers where the default is one, because that is what JSON and KFP
    make of them.

    Raises
    ------
    ConfigurationError
        If the model has no such hyper-parameter, or a value has the wrong type.
    """
    cls = spec.load_model_class().Params
    defaults = cls()
    known = {f.name for f in fields(cls)}
    ready: dict[str, Any] = {}
    for name, value in values.items():
        if name not in known:
            near = get_close_matches(name, known, n=1)
            hint = f"Did you mean {near[0]!r}? " if near else ""
            raise ConfigurationError(
                f"{spec.name} has no hyper-parameter {name!r}.", f"{hint}It has: {', '.join(sorted(known))}."
            )
        ready[name] = _coerce(name, value, getattr(defaults, name))
    return cls(**ready)


def make_model(spec: ModelSpec, values: Mapping[str, Any]) -> Model:
    """Return the untrained model."""
    return spec.load_model_class()(make_params(spec, values))


def horizons_of(spec: ModelSpec, model: Model) -> tuple[str, ...]:
    """Return the names of the target's columns: the parameters' where they choose them, else the spec's."""
    return tuple(getattr(model.params, "horizons", spec.horizons))


def _coerce(name: str, value: Any, default: Any) -> Any:
    if isinstance(default, tuple) and isinstance(value, list | tuple):
        return tuple(value)
    if isinstance(default, bool) or isinstance(value, bool):
        if type(value) is type(default):
            return value
    elif isinstance(default, int) and isinstance(value, int | float) and float(value).is_integer():
        return int(value)
    elif isinstance(default, float) and isinstance(value, int | float):
        return float(value)
    elif isinstance(value, type(default)):
        return value
    raise ConfigurationError(
        f"{name}={value!r} is a {type(value).__name__}.",
        f"Give a {type(default).__name__}, like the default {default!r}.",
    )
