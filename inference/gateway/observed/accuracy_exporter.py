"""Exports how good each model is, as ``arthaflow_model_accuracy_ratio``, which two of the chart's alerts ask for.

The records know it, and every gateway reads them once a minute in a thread of its own. A model about which there is
nothing to say has no series: an alert on it stays silent rather than wrong.
"""

from __future__ import annotations

import logging
import threading
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, Gauge

from components.records.database import RecordsUnavailable
from inference.gateway.observed.accuracy import ratios

if TYPE_CHECKING:
    from components.records.database import Database

LOG = logging.getLogger("arthaflow.gateway.accuracy")
EVERY_S = 60.0


class AccuracyExporter:
    """Keeps the gauge up to date.

    Parameters
    ----------
    database : Database
        The records.
    registry : CollectorRegistry
        Of the gateway's metrics.
    every_s : float
        Between two readings.
    """

    def __init__(self, database: Database, registry: CollectorRegistry, every_s: float = EVERY_S) -> None:
        self.database, self.every_s = database, every_s
        self.ratio = Gauge(
            "arthaflow_model_accuracy_ratio",
            "Accuracy of the last week over the registered one, the worst version of each model; below 1 is worse.",
            ("model",),
            registry=registry,
        )
        self._models: set[str] = set()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._work, name="accuracy", daemon=True)

    def start(self) -> None:
        """Begin to read."""
        self._thread.start()

    def close(self) -> None:
        """Stop reading."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(5.0)

    def refresh(self, today: date | None = None) -> None:
        """Read once.

        Raises
        ------
        RecordsUnavailable
            If the database is away; what was known stays.
        """
        with self.database.read() as connection:
            found = ratios(connection, today or datetime.now(UTC).date())
        worst: dict[str, float] = {}
        for ratio in found:
            worst[ratio.model] = min(worst.get(ratio.model, ratio.value), ratio.value)
        for model, value in worst.items():
            self.ratio.labels(model).set(value)
        for gone in self._models - set(worst):
            self.ratio.remove(gone)
        self._models = set(worst)

    def _work(self) -> None:
        while True:
            try:
                self.refresh()
            except RecordsUnavailable as error:
                LOG.warning("accuracy is not read anew: %s", error)
            if self._stop.wait(self.every_s):
                return
