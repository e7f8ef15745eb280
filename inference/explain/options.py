"""Options of a method, read from a request's ``parameters``: typed, bounded, and refused by name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from components.errors import InvalidRequest

COMMON = ("kind", "output", "relative_to")
"""Parameters that every method knows."""


class Options(BaseModel):
    """Base of every method's options; alone, those of a method that has none."""

    model_config = ConfigDict(extra="forbid", frozen=True)


O = TypeVar("O", bound=Options)  # noqa: E741 - the type of options


def read_options(options: type[O], parameters: Mapping[str, Any]) -> O:
    """Return a method's options.

    Parameters
    ----------
    options : type
        The method's own.
    parameters : mapping
        Of the request; ``kind``, ``output`` and ``relative_to`` are not the method's.

    Raises
    ------
    InvalidRequest
        With the first parameter that is unknown or does not fit.

    Examples
    --------
    >>> read_options(Options, {"kind": "permutation_shap"})
    Options()
    """
    own = {k: v for k, v in parameters.items() if k not in COMMON}
    try:
        return options.model_validate(own)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(map(str, ("parameters", *first["loc"])))
        known = ", ".join([*COMMON, *options.model_fields])
        told = "is not known" if first["type"] == "extra_forbidden" else first["msg"]
        raise InvalidRequest(f"{first['input']!r:.80}: {told}", f"This kind takes {known}.", path=place) from error
