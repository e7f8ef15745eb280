"""What a drift test returns: results with statistic, p-value, threshold and verdict, ready for JSON."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal, Protocol

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]
Outcome = Literal["drift", "no_drift", "insufficient"]
JOINT = "*"
"""Column name of a test that looks at all columns at once."""


@dataclass(frozen=True)
class TestResult:
    """One test of one column, or of all columns together.

    Attributes
    ----------
    detector : str
        ``ks``, ``psi``, ``mmd``, ``alibi_ks`` or ``alibi_mmd``.
    column : str
        ``tensor.column``; :data:`JOINT` for a test of all columns at once.
    statistic : float
        KS distance, PSI, or squared MMD.
    p_value : float
        Probability of a statistic at least as large when nothing drifted (H0: same distribution); adjusted for the
        number of columns, so that it compares with ``alpha`` directly.
    threshold : float
        Value of the statistic above which, alone, the column would count as drifted.
    alpha : float
        Level that the adjusted p-value is compared with.
    drift : bool
        Whether H0 is rejected (and, for PSI, the index is large enough to matter).
    """

    __test__ = False  # a name that pytest would otherwise collect

    detector: str
    column: str
    statistic: float
    p_value: float
    threshold: float
    alpha: float
    drift: bool


class DriftTest(Protocol):
    """A drift test as a function."""

    def __call__(
        self, reference: FloatArray, window: FloatArray, columns: tuple[str, ...], alpha: float
    ) -> list[TestResult]:
        """Compare ``window`` (n, k) with ``reference`` (m, k) at family-wise level ``alpha``."""
        ...


@dataclass(frozen=True)
class Verdict:
    """The judgement of one window.

    Attributes
    ----------
    outcome : {"drift", "no_drift", "insufficient"}
        ``insufficient``: the window or the reference is too small for the wanted power, so nothing is claimed.
    sentence : str
        The verdict for a person, in one sentence.
    rows, min_rows, reference_rows : int
        Sizes of the window, of the smallest window that is judged (None: the reference is too small for any), and of
        the reference.
    alpha, power, effect : float
        What the minimum was computed from; see :class:`components.models.spec.DriftSpec`.
    columns : tuple of str
        Watched columns.
    results : tuple of TestResult
        Empty when insufficient.
    skipped : dict of str to str
        Detectors that the spec names and this environment cannot run, with the reason.
    """

    outcome: Outcome
    sentence: str
    rows: int
    min_rows: int | None
    reference_rows: int
    alpha: float
    power: float
    effect: float
    columns: tuple[str, ...]
    results: tuple[TestResult, ...] = ()
    skipped: dict[str, str] | None = None

    @property
    def drifted(self) -> tuple[str, ...]:
        """Columns that at least one per-column test calls drifted, in the spec's order."""
        hit = {r.column for r in self.results if r.drift}
        return tuple(c for c in self.columns if c in hit)

    def to_dict(self) -> dict[str, Any]:
        """Return a JSON-ready dictionary."""
        return {
            **asdict(self),
            "drifted": list(self.drifted),
            "missing_rows": None if self.min_rows is None else max(0, self.min_rows - self.rows),
            "skipped": self.skipped or {},
        }
