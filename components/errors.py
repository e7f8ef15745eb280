"""Errors that say what was wrong, with which value, and what to do.

Every error a person can meet derives from :class:`ArthaflowError`. It carries an HTTP status, so that a server maps it
without a table, and a remedy, so that the command line can print one clear message and no traceback.
"""

from __future__ import annotations

from typing import Any


class ArthaflowError(Exception):
    """Base of every error that is shown to a person.

    Parameters
    ----------
    problem : str
        What was wrong, with the offending value.
    remedy : str
        What the reader can do about it, as an imperative sentence.
    """

    status = 500
    code = ""
    """Name for machines, in the product's error envelope; the class's name in upper snake case where it is empty."""
    retry_after_s: float | None = None
    """When it makes sense to ask again, seconds; None where it does not."""

    def __init__(self, problem: str, remedy: str = "") -> None:
        self.problem = problem
        self.remedy = remedy
        self.details: dict[str, Any] = {}
        super().__init__(f"{problem} {remedy}".strip())


class InvalidRequest(ArthaflowError):
    """A client's request does not fit the model's schema.

    Parameters
    ----------
    problem, remedy : str
        See :class:`ArthaflowError`.
    path : str
        Where in the request, for example ``inputs[0].data[3]`` or ``features.rsi_14[2]``.
    """

    status = 400

    def __init__(self, problem: str, remedy: str = "", path: str = "") -> None:
        self.path = path
        super().__init__(f"{path}: {problem}" if path else problem, remedy)


class MissingValue(InvalidRequest):
    """A request leaves out a value that the model needs: an input, a column, or NaN or null where a number belongs."""


class DataRejected(ArthaflowError):
    """A data file failed its quality checks; the message names the rows and the reasons."""

    status = 422


class UnknownModel(ArthaflowError):
    """No model, or no such version of it, is in the catalogue or the registry."""

    status = 404


class ArtifactCorrupt(ArthaflowError):
    """A file of an artifact is missing, truncated, of an unsafe format, or differs from its SHA-256."""

    status = 503


class GoldenMismatch(ArthaflowError):
    """A loaded model does not reproduce the golden answers stored with it."""

    status = 503


class ModelUnavailable(ArthaflowError):
    """The model is known but cannot answer now (loading, unloaded, or its server is gone)."""

    status = 503


class FeatureUnavailable(ArthaflowError):
    """The feature store has no row, or only a stale row, for the asked entity and time."""

    status = 404


class ConfigurationError(ArthaflowError):
    """A setting is missing or contradictory."""


class PortInUse(ArthaflowError):
    """A port that a server was told to listen on is taken."""


class OutOfSpace(ArthaflowError):
    """A disk filled up while something was being written; what was there before is untouched."""

    status = 507
