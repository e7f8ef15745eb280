"""Arrays in safetensors files: both ways against the safetensors package, and refusal of broken files."""

from pathlib import Path

import numpy as np
import pytest

from components.errors import ArtifactCorrupt
from components.finance.arrays import load_arrays, save_arrays

ARRAYS = {
    "doubles": np.linspace(-1, 1, 12).reshape(3, 4),
    "singles": np.float32([[1.5], [np.pi]]),
    "counts": np.arange(5, dtype=np.int64) - 2,
    "bytes": np.arange(3, dtype=np.uint8),
    "flags": np.array([True, False, True]),
    "empty": np.zeros((0, 7)),
    "scalar": np.array(2.5),
}


def _assert_same(left: dict[str, np.ndarray], right: dict[str, np.ndarray]) -> None:
    assert left.keys() == right.keys()
    for name, array in left.items():
        assert right[name].dtype == array.dtype, name
        assert right[name].shape == array.shape, name
        np.testing.assert_array_equal(right[name], array)


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    save_arrays(tmp_path / "a.safetensors", ARRAYS)
    _assert_same(ARRAYS, load_arrays(tmp_path / "a.safetensors"))


def test_the_package_reads_what_is_written_here(tmp_path: Path) -> None:
    package = pytest.importorskip("safetensors.numpy", reason="safetensors is not installed")
    save_arrays(tmp_path / "a.safetensors", ARRAYS)
    _assert_same(ARRAYS, package.load_file(tmp_path / "a.safetensors"))


def test_what_the_package_writes_is_read_here(tmp_path: Path) -> None:
    package = pytest.importorskip("safetensors.numpy", reason="safetensors is not installed")
    package.save_file(ARRAYS, tmp_path / "a.safetensors", metadata={"made": "here"})
    _assert_same(ARRAYS, load_arrays(tmp_path / "a.safetensors"))


def test_views_and_big_endian_arrays_keep_their_values(tmp_path: Path) -> None:
    square = np.arange(9.0).reshape(3, 3)
    save_arrays(tmp_path / "a.safetensors", {"turned": square.T, "big": square.astype(">f8")})
    read = load_arrays(tmp_path / "a.safetensors")
    np.testing.assert_array_equal(read["turned"], square.T)
    np.testing.assert_array_equal(read["big"], square)


@pytest.mark.parametrize("kept", [0, 4, 40, -1])
def test_a_truncated_file_is_named_as_corrupt(tmp_path: Path, kept: int) -> None:
    path = tmp_path / "a.safetensors"
    save_arrays(path, ARRAYS)
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(ArtifactCorrupt, match=r"a\.safetensors"):
        load_arrays(path)


def test_a_header_that_claims_other_bytes_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    save_arrays(path, {"x": np.zeros(4)})
    path.write_bytes(path.read_bytes().replace(b'"shape":[4]', b'"shape":[9]'))
    with pytest.raises(ArtifactCorrupt, match=r"shape \(9,\)"):
        load_arrays(path)


def test_text_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="array 'names' has dtype"):
        save_arrays(tmp_path / "a.safetensors", {"names": np.array(["a"], dtype=object)})
    with pytest.raises(ValueError, match=r"does not end in \.safetensors"):
        save_arrays(tmp_path / "a.bin", {})
