"""What a walk along the hash chain found."""

from __future__ import annotations

from dataclasses import dataclass, field

from components.records.chain import GENESIS


@dataclass
class Verdict:
    """What the walk found.

    Attributes
    ----------
    ok : bool
    first, last : int
        Numbers of the first and the last entry that were checked.
    head : str
        The last one's hash.
    entries, predictions, erased : int
        How many entries were sound, of them predictions, of those emptied by an erasure.
    anchors : int
        How many anchors agree.
    bad_seq : int or None
        The first entry that is not as it was written.
    problem : str
        What is wrong with it.
    notes : list of str
        What could not be checked.
    """

    ok: bool = True
    first: int = 0
    last: int = 0
    head: str = GENESIS
    entries: int = 0
    predictions: int = 0
    erased: int = 0
    anchors: int = 0
    bad_seq: int | None = None
    problem: str = ""
    notes: list[str] = field(default_factory=list)
