"""Check: one condition of the gate."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Check:
    """One condition of the gate.

    Attributes
    ----------
    name : str
        Short name.
    passed : bool
        Whether it holds.
    detail : str
        The figures, in words.
    """

    name: str
    passed: bool
    detail: str
