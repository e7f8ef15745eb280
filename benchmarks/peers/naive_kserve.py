"""A kserve custom model as kserve's documentation shows it: ``python -m benchmarks.peers.naive_kserve FILE NAME``."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np
from kserve import InferOutput, InferRequest, InferResponse, Model, ModelServer, model_server
from kserve.utils.utils import generate_uuid

from benchmarks.peers.natives import load_native


class Naive(Model):
    """Calls the model's own library in ``predict``."""

    def __init__(self, name: str, path: Path) -> None:
        super().__init__(name)
        self.native = load_native(path)
        self.ready = True

    def predict(self, payload: InferRequest, headers: Any = None, response_headers: Any = None) -> InferResponse:
        """Answer one request."""
        rows = payload.inputs[0].as_numpy().astype(np.float32, copy=False)
        values = np.ascontiguousarray(self.native(rows), dtype=np.float32)
        output = InferOutput("prediction", list(values.shape), "FP32")
        # kserve answers in binary only what its model sets in binary.
        binary = bool(payload.request_outputs) or bool((payload.parameters or {}).get("binary_data_output"))
        output.set_data_from_numpy(values, binary_data=binary or payload.from_grpc)
        return InferResponse(payload.id or generate_uuid(), self.name, [output])


if __name__ == "__main__":
    parser = argparse.ArgumentParser(parents=[model_server.parser], conflict_handler="resolve")
    parser.add_argument("path", type=Path)
    parser.add_argument("name")
    arguments, _ = parser.parse_known_args()
    ModelServer().start([Naive(arguments.name, arguments.path)])
