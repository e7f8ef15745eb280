"""One trial as a command: scores one set of hyper-parameters and prints ``metric=value`` lines.

``python -m components.tuning.trial --model price_forecast --data embedded --seed 7 --set tree_depth=4 ...``

Katib's trials run it in the training image and read the lines from its output. Every searched hyper-parameter is given
with ``--set``; ``--default`` takes the model's own values for those that are not.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Mapping, Sequence
from typing import Any

from components.errors import ArthaflowError, ConfigurationError
from components.tuning.objective import Score, block_names, metric_name

PRECISION = ".10g"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one trial; return the exit status: 0, or 1 after one line that says what was wrong."""
    asked = _parser().parse_args(arguments)
    # One process a pod: more threads than its processors make it slower, and results depend on their number.
    for name in ("OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS"):
        os.environ.setdefault(name, "1")
    try:
        score, seconds, metric = run(asked.model, asked.data, asked.seed, assignments(asked.set), asked.default)
    except ArthaflowError as error:
        sys.stderr.write(f"{type(error).__name__}: {error}\n")
        return 1
    for line in lines(metric, score, seconds):
        sys.stdout.write(f"{line}\n")
    return 0


def run(model: str, place: str, seed: int, given: Mapping[str, str], fill: bool = False) -> tuple[Score, float, str]:
    """Score one set of hyper-parameters; return the score, the seconds it took, and the metric's name.

    Parameters
    ----------
    model : str
        Name in the catalogue.
    place : str
        See :func:`components.tuning.inputs.read_inputs`.
    seed : int
        Of the model, where it has one.
    given : mapping of str to str
        Searched hyper-parameters.
    fill : bool
        Whether the model's own values stand in for those that are not given.

    Raises
    ------
    ArthaflowError
        If the inputs or the hyper-parameters cannot be right, or the model cannot be trained with them.
    """
    from components.tuning.inputs import read_inputs

    inputs = read_inputs(model, place)
    objective = inputs.objective(seed)
    chosen: dict[str, Any] = {**(objective.default() if fill else {}), **given}
    began = time.perf_counter()
    try:
        score = objective(chosen)
    except (ValueError, ArithmeticError) as error:
        raise ConfigurationError(
            f"{model} cannot be trained with {dict(chosen)}: {error}", "Narrow the search space."
        ) from error
    return score, time.perf_counter() - began, metric_name(inputs.spec)


def lines(metric: str, score: Score, seconds: float) -> list[str]:
    """Return what is printed: the metric, its blocks, the seconds."""
    named = {metric: score.value, **dict(zip(block_names(len(score.blocks)), score.blocks, strict=True))}
    return [f"{name}={value:{PRECISION}}" for name, value in {**named, "seconds": seconds}.items()]


def assignments(pairs: Sequence[str]) -> dict[str, str]:
    """Split ``name=value`` arguments.

    Raises
    ------
    ConfigurationError
        If one has no value, or a name is given twice.
    """
    found: dict[str, str] = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not (name and equals and value):
            raise ConfigurationError(f"--set {pair!r} is no assignment.", "Write --set name=value.")
        if name in found:
            raise ConfigurationError(f"--set {name} is given twice ({found[name]}, {value}).", "Give it once.")
        found[name] = value
    return found


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m components.tuning.trial", description="Score one trial.")
    parser.add_argument("--model", required=True, help="name in the catalogue")
    parser.add_argument("--data", required=True, help="folder or s3:// address of tuning inputs, or `embedded`")
    parser.add_argument("--seed", type=int, default=7, help="seed of the model")
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="a searched hyper-parameter")
    parser.add_argument("--default", action="store_true", help="the model's own values for what is not set")
    return parser


if __name__ == "__main__":
    sys.exit(main())
