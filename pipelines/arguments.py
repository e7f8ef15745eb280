"""The arguments of a training run: checked before anything starts."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from components.errors import ConfigurationError
from components.models.spec import ModelSpec
from components.registry.versions import check_alias
from components.stages.request import Request, check_policy

NAMES = ("source", "bar", "until", "as_of", "horizons", "candidates", "params", "seed", "policy", "alias")


def training_arguments(spec: ModelSpec, given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the pipeline's arguments, complete where one follows from another.

    Parameters
    ----------
    spec : ModelSpec
        The model.
    given : mapping
        Of :data:`NAMES`. ``params`` may be a mapping or JSON; ``candidates`` follow from them unless given; None means
        the pipeline's default.

    Raises
    ------
    ConfigurationError
        If an argument is unknown or cannot be right.
    """
    arguments = {k: v for k, v in given.items() if v is not None}
    for name in arguments:
        if name not in NAMES:
            raise ConfigurationError(f"A training run has no argument {name!r}.", f"Use {', '.join(NAMES)}.")
    params = arguments.get("params") or {}
    arguments["params"] = params if isinstance(params, str) else json.dumps(dict(params))
    if arguments.get("bar", "1d") != "1d":
        arguments["params"] = with_bars_per_year(spec, arguments["params"], arguments["bar"])
    arguments["horizons"] = list(arguments.get("horizons") or spec.horizons)
    check_policy(arguments.get("policy", "gate"))
    check_alias(arguments.get("alias", "candidate"))
    request = Request(spec.name, tuple(arguments["horizons"]), arguments["params"], int(arguments.get("seed", 7)))
    known = request.candidates()
    chosen = list(arguments.get("candidates") or known)
    unknown = [name for name in chosen if name not in known]
    if unknown:
        raise ConfigurationError(f"{spec.name!r} has no candidate {unknown[0]!r}.", f"It has {', '.join(known)}.")
    arguments["candidates"] = chosen
    return arguments


def with_bars_per_year(spec: ModelSpec, params: str, bar: str) -> str:
    """Add the bars of a year to the hyper-parameters of a model that annualises, unless they are given.

    Volatility features are annualised with the source's bars; the model has to undo that with the same number.
    """
    from components.data.bars import bars_per_year

    names = {field.name for field in fields(spec.load_model_class().Params)}
    try:
        given = json.loads(params)
    except json.JSONDecodeError:
        return params  # refused, with its reason, where all hyper-parameters are checked
    if "bars_per_year" not in names or not isinstance(given, dict):
        return params
    return json.dumps({"bars_per_year": bars_per_year(bar), **given})
