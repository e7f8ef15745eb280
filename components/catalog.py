"""The catalogue finds the models: every folder ``components/models/<room>/<name>/`` that has a ``spec.py``.

``ARTHAFLOW_MODEL_PATH`` adds folders with further rooms. Nothing is listed by hand.
"""

from __future__ import annotations

from dataclasses import replace
from difflib import get_close_matches
from functools import lru_cache
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from components import models
from components.errors import ConfigurationError, UnknownModel
from components.models.spec import ModelSpec

if TYPE_CHECKING:
    from components.models.product import ProductSpec


@lru_cache(maxsize=1)
def catalogue() -> dict[str, ModelSpec]:
    """Return every model's spec by name, sorted.

    Raises
    ------
    ConfigurationError
        If a folder's ``spec.py`` has no ``SPEC``, or two folders declare the same name.
    """
    found: dict[str, ModelSpec] = {}
    for root in models.__path__:
        for path in sorted(Path(root).glob("*/*/spec.py")):
            package = f"components.models.{path.parent.parent.name}.{path.parent.name}"
            spec = getattr(import_module(f"{package}.spec"), "SPEC", None)
            if not isinstance(spec, ModelSpec):
                raise ConfigurationError(f"{path} declares no SPEC.", "Add `SPEC = ModelSpec(...)` to it.")
            if spec.name in found:
                raise ConfigurationError(
                    f"{path} declares the model {spec.name!r} that {found[spec.name].package} declares too.",
                    "Rename one of them.",
                )
            found[spec.name] = replace(spec, package=package)
    return dict(sorted(found.items()))


def get_spec(name: str) -> ModelSpec:
    """Return the spec of one model; ``room/name`` is accepted too.

    Raises
    ------
    UnknownModel
        If the catalogue has no such model; the message offers the nearest name.
    """
    known = catalogue()
    short = name.rsplit("/", 1)[-1]
    if short not in known:
        near = get_close_matches(short, known, n=1)
        hint = f"Did you mean {near[0]!r}? " if near else ""
        raise UnknownModel(
            f"There is no model {name!r} in the catalogue.", f"{hint}`arthaflow models` lists: {', '.join(known)}."
        )
    return known[short]


def get_product(name: str) -> ProductSpec | None:
    """Return how applications ask a model, from ``product.py`` beside its spec, or None where it has none.

    Raises
    ------
    ConfigurationError
        If there is a ``product.py`` without ``PRODUCT``.
    """
    from components.models.product import ProductSpec

    package = get_spec(name).package
    if find_spec(f"{package}.product") is None:
        return None
    product = getattr(import_module(f"{package}.product"), "PRODUCT", None)
    if not isinstance(product, ProductSpec):
        raise ConfigurationError(f"{package}.product declares no PRODUCT.", "Add `PRODUCT = ProductSpec(...)` to it.")
    return product
