"""QLIKE of a portfolio's variance against the pooled variance of the history."""

from __future__ import annotations

import numpy as np

from components.data.dataset import Dataset
from components.evaluation.judge import Claim, Figure, Judge, Judged
from components.models.contract import FloatArray, Outputs


def loss(outputs: Outputs, rows: Dataset) -> FloatArray:
    """``log v + r^2 / v``."""
    variance = outputs["variance"]
    return np.log(variance) + rows.targets["return"][:, 0] ** 2 / variance


def pooled(history: Dataset, rows: Dataset) -> Outputs:
    """The same variance for every row."""
    return {"variance": np.full(len(rows), np.var(history.targets["return"]))}


def claims(judged: Judged) -> list[Claim]:
    """The mean level is right within a fifth."""
    ratio = float(np.mean(judged.data.targets["return"][:, 0] ** 2) / np.mean(judged.outputs["variance"]))
    return [Claim("level", 0.8 < ratio < 1.25, f"Realised variance is {ratio:.2f} times the forecast.", ratio)]


def figures(judged: Judged) -> list[Figure]:
    """One line of text."""
    return [Figure("Rows", f"<p>{len(judged.loss)} rows</p>")]


JUDGE = Judge("QLIKE", loss, {"pooled": pooled}, claims, figures)
