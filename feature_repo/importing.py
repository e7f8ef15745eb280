"""Importing Feast in half the time."""

from __future__ import annotations

import sys
from typing import Any

from components.lean import without


def import_feast() -> None:
    """Import Feast without torch and without rewriting its classes for type checks at run time.

    Feast loads torch only to recognise tensors among entity rows. It decorates its classes with typeguard, which parses
    and compiles each of them anew at every import; ``python -O`` would leave that out too.
    """
    if "feast" in sys.modules:
        return
    import typeguard

    original = typeguard.typechecked
    typeguard.typechecked = _unchecked
    try:
        with without("torch"):
            import feast  # noqa: F401
    finally:
        typeguard.typechecked = original


def _unchecked(target: Any = None, **_: Any) -> Any:
    return _unchecked if target is None else target
