"""Schemas refuse bad batches with the path of the first offending value."""

import numpy as np
import pytest

from components.errors import InvalidRequest
from components.models.schema import Column, Schema, Tensor

SCHEMA = Schema(
    (
        Tensor(
            "features", "FP64", (2,), (Column("rsi_14", "points", minimum=0, maximum=100), Column("close", "price"))
        ),
        Tensor("window", "FP32", (3, 1)),
    )
)


def batch(**changes: np.ndarray) -> dict[str, np.ndarray]:
    good = {"features": np.array([[50.0, 10.0], [60.0, 11.0]]), "window": np.zeros((2, 3, 1), np.float32)}
    return {**good, **changes}


def test_good_batch_passes() -> None:
    SCHEMA.validate(batch())


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"features": np.array([[50.0, 10.0], [np.nan, 11.0]])}, r"features\.rsi_14\[1\]: value nan is not a finite"),
        ({"features": np.array([[50.0, np.inf], [60.0, 11.0]])}, r"features\.close\[0\]: value inf"),
        (
            {"features": np.array([[50.0, 10.0], [101.0, 11.0]])},
            r"features\.rsi_14\[1\]: value 101\.0 is outside \[0, 100\] points",
        ),
        ({"features": np.zeros((2, 3))}, r"features: shape is \[2, 3\], expected \[2, 2\]"),
        ({"window": np.zeros((1, 3, 1), np.float32)}, r"window: shape is \[1, 3, 1\], expected \[2, 3, 1\]"),
        ({"window": np.zeros((2, 3, 1))}, r"window: dtype is float64, expected FP32"),
        (
            {"window": np.array([[[0], [np.nan], [0]], [[0], [0], [0]]], np.float32)},
            r"window\[0\]\[1\]\[0\]: value nan",
        ),
    ],
)
def test_bad_value_is_named(changes: dict[str, np.ndarray], message: str) -> None:
    with pytest.raises(InvalidRequest, match=message) as caught:
        SCHEMA.validate(batch(**changes))
    assert caught.value.status == 400


def test_missing_tensor_is_named() -> None:
    with pytest.raises(InvalidRequest, match="required input 'window' is missing") as caught:
        SCHEMA.validate({"features": np.zeros((1, 2))})
    assert caught.value.path == "window"


def test_finite_values_whose_sum_overflows_are_accepted() -> None:
    SCHEMA.validate(batch(features=np.array([[50.0, 1e308], [60.0, 1.7e308]])))


def test_round_trip() -> None:
    assert Schema.from_dict(SCHEMA.to_dict()) == SCHEMA


def test_columns_must_fit_shape() -> None:
    with pytest.raises(ValueError, match="1 columns do not fit shape"):
        Tensor("x", "FP64", (2,), (Column("a"),))
