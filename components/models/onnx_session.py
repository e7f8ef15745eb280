"""ONNX Runtime sessions as this platform uses them: one thread per call, because a server scales by processes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from components.errors import ArtifactCorrupt

if TYPE_CHECKING:
    from onnxruntime import InferenceSession


def open_session(path: Path, threads: int = 1) -> InferenceSession:
    """Load an ONNX graph for the CPU.

    Raises
    ------
    ArtifactCorrupt
        If ONNX Runtime cannot read the file.
    """
    import onnxruntime
    from onnxruntime.capi.onnxruntime_pybind11_state import (
        Fail,
        InvalidArgument,
        InvalidGraph,
        InvalidProtobuf,
        NoSuchFile,
    )

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    try:
        return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except (Fail, InvalidArgument, InvalidGraph, InvalidProtobuf, NoSuchFile) as error:
        raise ArtifactCorrupt(
            f"ONNX Runtime cannot use {path}: {str(error).splitlines()[0]}",
            "Fetch the artifact again, or train the model again.",
        ) from error
