"""Request: what a person asked of a training run, as the pipeline's parameters carry it."""

from __future__ import annotations

import json
from dataclasses import dataclass, fields, replace
from typing import Any

from components.catalog import get_spec
from components.errors import ConfigurationError
from components.models.spec import ModelSpec

POLICIES = ("gate", "force")


@dataclass(frozen=True)
class Request:
    """The parameters that more than one step needs.

    Attributes
    ----------
    model : str
        Name in the catalogue.
    horizons : tuple of str
        Of the spec's kind; empty for the spec's own.
    overrides : str
        Hyper-parameters that differ from the model's defaults, as a JSON object.
    seed : int
        Of everything random; used by models whose hyper-parameters have a ``seed``.
    """

    model: str
    horizons: tuple[str, ...] = ()
    overrides: str = "{}"
    seed: int = 7

    def spec(self) -> ModelSpec:
        """Return the model's spec with the asked horizons."""
        spec = get_spec(self.model)
        return replace(spec, horizons=self.horizons) if self.horizons and self.horizons != spec.horizons else spec

    def params(self) -> dict[str, Any]:
        """Return the hyper-parameters that differ from the model's defaults.

        Raises
        ------
        ConfigurationError
            If they are no JSON object, or the model has no such hyper-parameter.
        """
        known = {f.name for f in fields(self.spec().load_model_class().Params)}
        try:
            given = json.loads(self.overrides or "{}")
        except json.JSONDecodeError as error:
            raise ConfigurationError(
                f"The hyper-parameters {self.overrides!r} are not JSON ({error}).", 'Write them as {"name": value}.'
            ) from error
        if not isinstance(given, dict):
            raise ConfigurationError(
                f"The hyper-parameters {self.overrides!r} are no JSON object.", 'Write them as {"name": value}.'
            )
        for name in given:
            if name not in known:
                raise ConfigurationError(
                    f"{self.model!r} has no hyper-parameter {name!r}.", f"It has {', '.join(sorted(known))}."
                )
        implied = {"seed": self.seed, "horizons": self.spec().horizons}
        return {**{k: v for k, v in implied.items() if k in known}, **given}

    def candidates(self) -> list[str]:
        """Return the names of the candidates that these hyper-parameters ask for, those to start first in front.

        Models list them from simple to heavy; started the other way round, none is left that the whole graph waits for.
        """
        from components.training.parameters import make_params

        spec = self.spec()
        return list(spec.load_model_class().candidates(make_params(spec, self.params())))[::-1]


def check_policy(policy: str) -> str:
    """Return ``policy`` if there is such a one.

    Raises
    ------
    ConfigurationError
        If there is not.
    """
    if policy not in POLICIES:
        raise ConfigurationError(f"policy={policy!r} is unknown.", f"Use {' or '.join(POLICIES)}.")
    return policy
