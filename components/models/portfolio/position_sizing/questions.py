"""Read the rows of a request: which columns are asked, what is held, and what of it cannot be."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from components.errors import InvalidRequest
from components.models.contract import FloatArray
from components.models.portfolio.position_sizing.table import COLUMN, SecurityTable, places
from components.models.schema import Batch

Index = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Questions:
    """Rows in the model's own terms.

    Attributes
    ----------
    place : ndarray of int, shape (rows,)
        Column of the security that is asked about.
    weight, recent : ndarray of shape (rows, securities)
        Share of the portfolio held of each security, that of ``place`` excluded, and its recent volatility.
    own : ndarray of shape (rows,)
        Share held of the security that is asked about.
    symbol_recent : ndarray of shape (rows,)
        Its recent volatility.
    listed : ndarray of bool, shape (rows,)
        Whether the row says what is held.
    account : mapping of str to ndarray of shape (rows,)
        Columns of the account.
    """

    place: Index
    weight: FloatArray
    recent: FloatArray
    own: FloatArray
    symbol_recent: FloatArray
    listed: npt.NDArray[np.bool_]
    account: dict[str, FloatArray]

    @property
    def cash_share(self) -> FloatArray:
        """Cash over portfolio value, decimal, at most 1."""
        share: FloatArray = np.minimum(self.account["cash"] / self.account["portfolio_value"], 1.0)
        return share


def read_questions(inputs: Batch, table: SecurityTable) -> Questions:
    """Return the rows of a batch.

    Parameters
    ----------
    inputs : mapping of str to ndarray
        As the input schema says.
    table : SecurityTable
        The universe.

    Raises
    ------
    InvalidRequest
        If a security is not in the universe, or a weight or a volatility is negative.
    """
    account = {name: inputs["account"][:, i] for name, i in COLUMN.items()}
    names, weights = inputs["security_id"], inputs["weight"]
    place = _known(inputs["symbol"], table, "symbol")
    given = names != ""
    if weights.shape != names.shape:
        raise InvalidRequest(
            f"{names.shape[1]} securities have {weights.shape[1]} weights", "Give one weight each.", path="weight"
        )
    held = np.where(given, _known(np.where(given, names, table.names[0]), table, "security_id"), 0)
    _check_signs(weights, "weight")
    _check_signs(inputs["holding_volatility"], "holding_volatility")
    weight, recent, own = _lay_out(place, held, weights * given, inputs["holding_volatility"], table)
    asked = np.where(account["recent_volatility"] > 0, account["recent_volatility"], table.recent[place])
    made = Questions(place, weight, recent, own, asked, given.any(axis=1), account)
    return made


def _known(names: npt.NDArray[Any], table: SecurityTable, tensor: str) -> Index:
    place = places(names, table.names)
    if (place < 0).any():
        first = tuple(np.argwhere(place < 0)[0])
        raise InvalidRequest(
            f"the security {str(names[first])!r} is not one this version was trained on",
            f"Ask about one of {len(table.names)}: {', '.join(table.names[:8])}, ...; or train on a file with it.",
            path=tensor + "".join(f"[{i}]" for i in first),
        )
    return place


def _lay_out(
    place: Index, held: Index, weights: FloatArray, volatility: FloatArray, table: SecurityTable
) -> tuple[FloatArray, FloatArray, FloatArray]:
    rows = np.arange(len(place))
    weight = np.zeros((len(rows), len(table.names)))
    np.add.at(weight, (rows[:, None], held), weights)
    recent = np.tile(table.recent, (len(rows), 1))
    if volatility.shape == held.shape:
        told = (volatility > 0) & (weights > 0)
        row, column = np.nonzero(told)
        recent[row, held[row, column]] = volatility[row, column]
    own = weight[rows, place]
    weight[rows, place] = 0.0
    return weight, recent, own


def _check_signs(values: FloatArray, tensor: str) -> None:
    if (values < 0).any():
        row, column = np.argwhere(values < 0)[0]
        raise InvalidRequest(
            f"value {values[row, column]} is negative",
            "Send shares of the portfolio and volatilities as decimals from 0; short positions are not sized.",
            path=f"{tensor}[{row}][{column}]",
        )
