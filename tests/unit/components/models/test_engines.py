"""The engine table picks by batch size, from times that no branch predictor flatters."""

from __future__ import annotations

import numpy as np
import pytest

from components.models.engines import EngineTable, max_difference, measure


def test_pick_takes_the_line_that_is_lower() -> None:
    table = EngineTable({"onnx": {1: 10.0, 101: 1010.0}, "native": {1: 140.0, 101: 440.0}})
    assert [table.pick(r) for r in (1, 19, 20, 256)] == ["onnx", "onnx", "native", "native"]
    assert table.expected("native", 201) == pytest.approx(740.0)


def test_table_survives_json() -> None:
    table = EngineTable({"onnx": {1: 10.0, 8: 40.5}})
    assert EngineTable.from_dict(table.to_dict()) == table


def test_measure_asks_every_engine_for_every_size_with_changing_rows() -> None:
    seen: dict[int, set[float]] = {1: set(), 4: set()}

    def engine(rows: np.ndarray) -> np.ndarray:
        seen[len(rows)].add(float(rows[0, 0]))
        return rows[:, 0]

    pool = np.arange(64.0).reshape(64, 1)
    table = measure({"a": engine}, pool, rows=(1, 4), seconds=0.005)
    assert set(table.microseconds["a"]) == {1, 4}
    assert len(seen[1]) > 3
    with pytest.raises(ValueError, match="pool has 64"):
        measure({"a": engine}, pool, rows=(65,))


def test_max_difference() -> None:
    pool = np.arange(4.0)
    assert max_difference({"a": lambda x: x, "b": lambda x: x + 0.25}, pool) == 0.25
    assert max_difference({"a": lambda x: x}, pool) == 0.0
