"""The search space of a model: its hyper-parameters that carry ``metadata={"search": ...}``, typed and checked."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, fields
from difflib import get_close_matches
from typing import Any, Literal

from components.errors import ConfigurationError
from components.finite import finite
from components.models.spec import ModelSpec

Kind = Literal["int", "float", "choice"]
KEYS = frozenset({"low", "high", "log", "choices", "candidates"})
SLACK = 1e-9
"""Relative distance outside the bounds that rounding may cause; such a value is put on the bound."""


@dataclass(frozen=True)
class Parameter:
    """One searched hyper-parameter; both bounds can be drawn.

    Attributes
    ----------
    name : str
        Field of the model's ``Params``.
    kind : str
        ``int``, ``float`` or ``choice``.
    default : int, float, str or bool
        The model's own value.
    low, high : float
        Inclusive bounds of a number.
    log : bool
        Whether the number is drawn uniformly in its logarithm.
    choices : tuple
        Values of a choice.
    candidates : tuple of str or None
        Candidates whose fit the value changes; empty when only the blend of them changes, None when all may change.
    """

    name: str
    kind: Kind
    default: Any
    low: float = 0.0
    high: float = 0.0
    log: bool = False
    choices: tuple[Any, ...] = ()
    candidates: tuple[str, ...] | None = None

    def parse(self, value: Any) -> Any:
        """Return a value as the model takes it, from text (Katib, the command line), or from KFP's floats.

        Raises
        ------
        ConfigurationError
            If it is of another type, or outside the space.
        """
        if self.kind == "choice":
            return self._choice(value)
        number = finite(value)
        if number is None:
            raise ConfigurationError(f"{self.name}={value!r} is no number.", f"Give one in {self.range}.")
        slack = SLACK * max(abs(self.low), abs(self.high))
        if not self.low - slack <= number <= self.high + slack:
            raise ConfigurationError(
                f"{self.name}={value!r} is outside the search space.", f"Give a number in {self.range}."
            )
        number = min(max(number, self.low), self.high)
        if self.kind == "float":
            return number
        if not number.is_integer():
            raise ConfigurationError(
                f"{self.name}={value!r} is no whole number.", f"Give a whole number in {self.range}."
            )
        return int(number)

    @property
    def range(self) -> str:
        """What may be drawn, in words."""
        if self.kind == "choice":
            return ", ".join(str(c) for c in self.choices)
        return f"[{self.low:g}, {self.high:g}]"

    def _choice(self, value: Any) -> Any:
        for choice in self.choices:
            same_type = isinstance(value, bool) == isinstance(choice, bool)
            if same_type and value == choice:
                return choice
            if isinstance(value, str) and value.lower() == str(choice).lower():
                return choice
        raise ConfigurationError(f"{self.name}={value!r} is no choice.", f"Use one of: {self.range}.")


@dataclass(frozen=True)
class Space:
    """The searched hyper-parameters of one model."""

    model: str
    parameters: tuple[Parameter, ...]

    def __len__(self) -> int:
        return len(self.parameters)

    @property
    def names(self) -> tuple[str, ...]:
        """Names in the order of the fields."""
        return tuple(p.name for p in self.parameters)

    @property
    def defaults(self) -> dict[str, Any]:
        """The model's own values."""
        return {p.name: p.default for p in self.parameters}

    def without(self, names: Iterable[str]) -> Space:
        """Return the space without hyper-parameters that a person has fixed.

        Raises
        ------
        ConfigurationError
            If nothing is left to search.
        """
        fixed = set(names)
        left = tuple(p for p in self.parameters if p.name not in fixed)
        if not left:
            raise ConfigurationError(
                f"{self.model} has nothing left to tune: {', '.join(self.names)} are all given.",
                "Leave at least one of them out of the hyper-parameters.",
            )
        return Space(self.model, left)

    def parse(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Return a complete assignment as the model takes it.

        Raises
        ------
        ConfigurationError
            If a name is unknown or missing, or a value is outside the space.
        """
        for name in values:
            if name not in self.names:
                near = get_close_matches(name, self.names, n=1)
                hint = f"Did you mean {near[0]!r}? " if near else ""
                raise ConfigurationError(
                    f"{self.model} does not search {name!r}.", f"{hint}It searches: {', '.join(self.names)}."
                )
        missing = [name for name in self.names if name not in values]
        if missing:
            raise ConfigurationError(f"{self.model} was given no {', '.join(missing)}.", "Give a value for each.")
        return {p.name: p.parse(values[p.name]) for p in self.parameters}

    def to_dict(self) -> dict[str, Any]:
        """Return a JSON-ready description, from which a process without the model's libraries makes the space again."""
        return {"model": self.model, "parameters": [asdict(p) for p in self.parameters]}

    @classmethod
    def from_dict(cls, raw: Mapping[str, Any]) -> Space:
        """Inverse of :meth:`to_dict`."""
        return cls(raw["model"], tuple(_from_dict(p) for p in raw["parameters"]))


def _from_dict(raw: Mapping[str, Any]) -> Parameter:
    lists = {k: tuple(raw[k]) if raw[k] is not None else None for k in ("choices", "candidates")}
    return Parameter(**{**raw, **lists})


def has_space(spec: ModelSpec) -> bool:
    """Whether the model declares anything to tune."""
    return any("search" in f.metadata for f in fields(spec.load_model_class().Params))


def space_of(spec: ModelSpec) -> Space:
    """Return the search space that the model's ``Params`` declare.

    Raises
    ------
    ConfigurationError
        If there is none, or a declaration cannot be right.
    """
    params = spec.load_model_class().Params
    defaults = params()
    found = tuple(
        _parameter(f"{spec.name}: {f.name}", f.name, getattr(defaults, f.name), f.metadata["search"])
        for f in fields(params)
        if "search" in f.metadata
    )
    if not found:
        raise ConfigurationError(
            f"{spec.name} declares nothing to tune.",
            'Give a field of its Params metadata={"search": {"low": ..., "high": ...}}.',
        )
    return Space(spec.name, found)


def _parameter(where: str, name: str, default: Any, search: Mapping[str, Any]) -> Parameter:
    unknown = sorted(set(search) - KEYS)
    if unknown:
        raise ConfigurationError(f"{where} has the search key {unknown[0]!r}.", f"Use {', '.join(sorted(KEYS))}.")
    concerned = search.get("candidates")
    candidates = None if concerned is None else tuple(concerned)
    if "choices" in search:
        parameter = Parameter(name, "choice", default, choices=tuple(search["choices"]), candidates=candidates)
        _check_choices(where, parameter)
        return parameter
    if isinstance(default, bool) or not isinstance(default, int | float):
        raise ConfigurationError(f"{where} is no number ({default!r}).", "Declare `choices` for it.")
    low, high = finite(search.get("low")), finite(search.get("high"))
    log = bool(search.get("log", False))
    if low is None or high is None or not low < high or (log and low <= 0):
        wanted = "0 < low < high" if log else "low < high"
        raise ConfigurationError(f"{where} is searched in {dict(search)}.", f"Declare low and high with {wanted}.")
    kind: Kind = "int" if isinstance(default, int) else "float"
    if kind == "int" and not (low.is_integer() and high.is_integer()):
        raise ConfigurationError(f"{where} is whole, its bounds {low:g} and {high:g} are not.", "Use whole bounds.")
    if not low <= default <= high:
        raise ConfigurationError(f"{where} has its default {default!r} outside [{low:g}, {high:g}].", "Widen them.")
    return Parameter(name, kind, default, low, high, log, candidates=candidates)


def _check_choices(where: str, parameter: Parameter) -> None:
    words = [str(c) for c in parameter.choices]
    if len(set(words)) < 2 or len(set(words)) < len(words):
        raise ConfigurationError(f"{where} has the choices {words}.", "Declare two or more different ones.")
    odd = [c for c in parameter.choices if not isinstance(c, str | int | float | bool)]
    if odd:
        raise ConfigurationError(f"{where} has the choice {odd[0]!r}.", "Use text, numbers or booleans.")
    if parameter.default not in parameter.choices:
        raise ConfigurationError(f"{where} has its default {parameter.default!r} not among {words}.", "Add it.")
