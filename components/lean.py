"""Importing a library without the optional packages that it would only look at."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def without(*packages: str) -> Iterator[None]:
    """Hide packages from what is imported inside; a package that is there already stays visible.

    Many libraries import pandas, scikit-learn or torch only to recognise their objects among arguments, and do without
    where they are not installed. A step of the training graph is a process of its own, and these imports cost it more
    than its work.

    Parameters
    ----------
    packages : str
        Top-level names.

    Examples
    --------
    >>> with without("antigravity"):
    ...     try:
    ...         import antigravity
    ...     except ImportError as error:
    ...         print(type(error).__name__)
    ModuleNotFoundError
    """
    hidden = [name for name in packages if name not in sys.modules]
    sys.modules.update(dict.fromkeys(hidden))  # type: ignore[arg-type]
    try:
        yield
    finally:
        for name in hidden:
            del sys.modules[name]
