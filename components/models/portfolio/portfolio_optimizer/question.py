"""Question: one row of a request, checked; what the schema cannot refuse is refused here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from components.data.sectors import INDIA, UNITED_STATES, sectors_of
from components.errors import InvalidRequest
from components.models.portfolio.portfolio_optimizer.params import MAX_SECURITIES, METHODS
from components.models.portfolio.portfolio_optimizer.universe import Universe
from components.models.schema import Batch

Vector = npt.NDArray[np.float64]
Matrix = npt.NDArray[np.float64]
SUM_TOLERANCE = 0.005
"""How far weights may be from adding up to one: they come rounded."""


@dataclass(frozen=True)
class Question:
    """One portfolio to optimise; arrays have one value per security.

    Attributes
    ----------
    place : ndarray of int
        Where its securities stand in the request's row, which may be padded.
    names : tuple of str
    returns : ndarray of shape (window, securities)
        Daily, decimal.
    current, low, high : ndarray
        Weights: held now (they sum to one, or are all 0), and their bounds.
    views, confidences : ndarray
        Annual decimal; a confidence of 0 stands for no view.
    method : str
    limits : mapping of str to float
        By column of the tensor ``constraints``.
    sectors : tuple of str
        Of each security.
    sector_limits : mapping of str to float
    """

    place: npt.NDArray[np.int64]
    names: tuple[str, ...]
    returns: Matrix
    current: Vector
    low: Vector
    high: Vector
    views: Vector
    confidences: Vector
    method: str
    limits: Mapping[str, float]
    sectors: tuple[str, ...]
    sector_limits: Mapping[str, float]


def read_question(inputs: Batch, row: int, columns: tuple[str, ...], universe: Universe) -> Question:
    """Read and check one row.

    Parameters
    ----------
    inputs : mapping of str to ndarray
        A batch that fits the schema.
    row : int
        Of the batch.
    columns : tuple of str
        Names of the columns of ``constraints``.
    universe : Universe
        Where returns come from unless the request brings its own.

    Raises
    ------
    InvalidRequest
        With the value and what to do.
    """
    padded = inputs["security_id"][row]
    place = np.flatnonzero(padded != "").astype(np.int64)
    names = tuple(map(str, padded[place]))
    _check_names(names, row)
    values = {name: _values(inputs[name][row], place, default) for name, default in _DEFAULTS.items()}
    question = Question(
        place=place,
        names=names,
        returns=_returns(inputs["history"][row], place, names, universe, row),
        current=_weights(values["current_weight"], row),
        low=values["min_weight"],
        high=values["max_weight"],
        views=values["view"],
        confidences=values["view_confidence"],
        method=_method(str(inputs["method"][row]), row),
        limits=dict(zip(columns, map(float, inputs["constraints"][row]), strict=True)),
        sectors=(sectors := tuple(sectors_of(names).values())),
        sector_limits=_sector_limits(inputs["sector_name"][row], inputs["sector_limit"][row], sectors, row),
    )
    _check_bounds(question, row)
    _check_views(question, row)
    return question


_DEFAULTS = {"current_weight": 0.0, "min_weight": 0.0, "max_weight": 1.0, "view": 0.0, "view_confidence": 0.0}
"""What a tensor that the request leaves out stands for."""


def _values(given: npt.NDArray[Any], place: npt.NDArray[np.int64], default: float) -> Vector:
    return given[place].astype(np.float64) if len(given) else np.full(len(place), default)


def _check_names(names: tuple[str, ...], row: int) -> None:
    path = f"security_id[{row}]"
    if not names:
        raise InvalidRequest("it names no security", "Name at least one.", path=path)
    if len(names) > MAX_SECURITIES:
        raise InvalidRequest(
            f"{len(names)} securities are more than the {MAX_SECURITIES} that one request may optimise",
            "Leave the smallest holdings out, or optimise them as portfolios of their own.",
            path=path,
        )
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise InvalidRequest(f"{twice[0]!r} is named twice", "Add its holdings up into one.", path=path)


def _returns(
    history: Matrix, place: npt.NDArray[np.int64], names: tuple[str, ...], universe: Universe, row: int
) -> Matrix:
    if history.shape[1]:
        returns = history[:, place]
    else:
        known = {name: i for i, name in enumerate(universe.names)}
        unknown = [name for name in names if name not in known]
        if unknown:
            raise InvalidRequest(
                f"the securities {', '.join(unknown[:10])} are not in the universe of {len(known)}",
                f"Send their daily returns as 'history', or name some of: {', '.join(universe.names[:30])}.",
                path=f"security_id[{row}]",
            )
        returns = universe.returns[:, [known[name] for name in names]]
    still = [name for name, moved in zip(names, np.ptp(returns, axis=0), strict=True) if moved == 0]
    if still:
        raise InvalidRequest(
            f"{still[0]!r} has not moved once in {len(returns)} days, so that its risk cannot be estimated",
            "Leave it out.",
            path=f"history[{row}]",
        )
    return returns


def _weights(current: Vector, row: int) -> Vector:
    total = float(current.sum())
    if (current < 0).any():
        raise InvalidRequest(
            f"weight {current.min():g} is negative", "Short positions are not optimised.", path=f"current_weight[{row}]"
        )
    if total == 0:
        return current
    if abs(total - 1) > SUM_TOLERANCE:
        raise InvalidRequest(
            f"the weights add up to {total:.4f}, not to one",
            "Divide each holding's value by their total.",
            path=f"current_weight[{row}]",
        )
    return current / total


def _method(method: str, row: int) -> str:
    if method not in METHODS:
        raise InvalidRequest(f"{method!r} is no method", f"Use one of: {', '.join(METHODS)}.", path=f"method[{row}]")
    return method


def _sector_limits(names: npt.NDArray[Any], limits: Vector, sectors: tuple[str, ...], row: int) -> Mapping[str, float]:
    found = {str(name): float(limit) for name, limit in zip(names, limits, strict=True) if name != ""}
    known = {*sectors, *UNITED_STATES, *INDIA}
    for name, limit in found.items():
        if name not in known:
            raise InvalidRequest(
                f"{name!r} is no sector",
                f"The portfolio's are: {', '.join(sorted(set(sectors)))}.",
                path=f"sector_name[{row}]",
            )
        if not 0 <= limit <= 1:
            raise InvalidRequest(
                f"{name!r} is limited to {limit:g}, which is no share", "Give 0 to 1.", path=f"sector_limit[{row}]"
            )
    return found


def _check_bounds(question: Question, row: int) -> None:
    for name, low, high in zip(question.names, question.low, question.high, strict=True):
        if not 0 <= low <= high <= 1:
            raise InvalidRequest(
                f"{name!r} is to lie between {low:g} and {high:g}",
                "Give shares with 0 <= min_weight <= max_weight <= 1; short positions are not optimised.",
                path=f"min_weight[{row}]",
            )


def _check_views(question: Question, row: int) -> None:
    viewed = question.confidences != 0
    outside = (question.confidences < 0) | (question.confidences > 1)
    if outside.any():
        raise InvalidRequest(
            f"confidence {question.confidences[outside][0]:g} is no share",
            "Give 0 to 1.",
            path=f"view_confidence[{row}]",
        )
    if (np.abs(question.views[viewed]) > 1).any():
        raise InvalidRequest(
            f"a view expects {np.abs(question.views[viewed]).max():.0%} within a year",
            "Give expected annual returns as decimals between -1 and 1, for example 0.08.",
            path=f"view[{row}]",
        )
    if viewed.any() and question.method != "black_litterman":
        raise InvalidRequest(
            f"the method {question.method!r} uses no views, and there are {int(viewed.sum())}",
            "Ask for black_litterman, or leave the views out.",
            path=f"view[{row}]",
        )
