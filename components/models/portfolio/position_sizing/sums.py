"""Whether an account adds up: what is held, the cash and the number of positions.

Applications are held to it where they ask. The model itself is not: an explainer moves one input at a time, and every
such row would contradict itself.
"""

from __future__ import annotations

from collections.abc import Sequence

from components.errors import InvalidRequest

SLACK = 0.02
"""By how much weights and cash may miss one: prices move between two valuations."""


def check_sums(portfolio_value: float, cash: float, positions: int, weights: Sequence[float]) -> None:
    """Check an account.

    Parameters
    ----------
    portfolio_value, cash : float
        In one currency; the value includes the cash.
    positions : int
        How many securities are held.
    weights : sequence of float
        Share of the value in each; empty where a request does not list them.

    Raises
    ------
    InvalidRequest
        If cash exceeds the portfolio, or what is held, the positions and the cash contradict each other.
    """
    share = cash / portfolio_value
    if share > 1 + SLACK:
        raise InvalidRequest(
            f"cash of {cash:g} exceeds the portfolio of {portfolio_value:g}",
            "portfolio_value includes the cash.",
            path="cash",
        )
    if weights and abs(sum(weights) + share - 1) > SLACK:
        raise InvalidRequest(
            f"weights and cash sum to {sum(weights) + share:.4f} of the portfolio, not to 1",
            "Send every holding's share of portfolio_value, cash aside.",
            path="holdings",
        )
    if weights and positions != len(weights):
        raise InvalidRequest(
            f"{positions} positions are said to be held, {len(weights)} are listed",
            "Send as many securities as positions, or none.",
            path="positions",
        )
    if not weights and positions == 0 and share < 1 - SLACK:
        raise InvalidRequest(
            f"no position is held, but cash is {share:.1%} of the portfolio",
            "Send the number of positions, or all of the portfolio as cash.",
            path="positions",
        )
