"""MLServer runtime for models whose official runtime loads pickle, or that have none. Runs in ``.venv-bench``."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from mlserver import MLModel
from mlserver.codecs import NumpyCodec
from mlserver.types import InferenceRequest, InferenceResponse
from mlserver.utils import get_model_uri

from benchmarks.peers.natives import load_native


class Native(MLModel):
    """Calls the model's own library in ``predict``."""

    async def load(self) -> bool:
        """Load the file that ``parameters.uri`` names."""
        self.native = load_native(Path(await get_model_uri(self.settings)))
        return True

    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        """Answer one request."""
        rows = self.decode(payload.inputs[0], default_codec=NumpyCodec).astype(np.float32, copy=False)
        output = NumpyCodec.encode_output("prediction", self.native(rows))
        return InferenceResponse(model_name=self.name, model_version=self.version, outputs=[output])
