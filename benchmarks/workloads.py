"""What is asked: three models, a few rows and many rows, three transports."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Transport = Literal["REST JSON", "REST binary", "gRPC"]
TRANSPORTS: tuple[Transport, ...] = ("REST JSON", "REST binary", "gRPC")


@dataclass(frozen=True)
class Workload:
    """One model under load.

    Attributes
    ----------
    key, title : str
        For the tables.
    model : str
        Name in the catalogue (``benchmarks/rooms``).
    many : int
        Rows of the large request.
    input, output : str
        Our tensors' names.
    peer_file : str
        The same trained model in the format that the peers load.
    tabular : bool
        Whether the memory target applies.
    few_target : float
        Wanted ratio of requests per second to both peers, one row.
    many_target : float
        Wanted ratio to MLServer, ``many`` rows.
    """

    key: str
    title: str
    model: str
    many: int
    input: str
    output: str
    peer_file: str
    tabular: bool
    few_target: float
    many_target: float


WORKLOADS = (
    Workload("W1", "XGBoost, 300 trees of depth 6, 30 features", "bench_trees", 256, "features", "probability",
             "model.ubj", True, 10.0, 1.5),
    Workload("W2", "random forest, 200 full trees, 22 features", "bench_forest", 256, "features", "prediction",
             "model.skops", True, 10.0, 1.5),
    Workload("W3", "LSTM with attention, 60 x 16 window, 64 units", "bench_lstm", 32, "window", "prediction",
             "model.safetensors", False, 3.0, 1.5),
)  # fmt: skip


@dataclass(frozen=True)
class Case:
    """One kind of request: a row of the table."""

    workload: Workload
    rows: int
    transport: Transport
    concurrency: int

    @property
    def main(self) -> bool:
        """Whether a target hangs on it; it is then measured twice as long."""
        return self.transport == "REST JSON" and self.concurrency > 1


def cases(workload: Workload, concurrency: int = 16) -> list[Case]:
    """Return a workload's cases: every transport at full concurrency, and one row of JSON alone on the wire."""
    grid = [Case(workload, rows, t, concurrency) for t in TRANSPORTS for rows in (1, workload.many)]
    return [*grid, Case(workload, 1, "REST JSON", 1)]
