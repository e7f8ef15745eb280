"""A model that is ready to serve: a verified artifact, its loaded model, and the codecs that its schema implies."""

from __future__ import annotations

import ctypes
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import orjson

from components.catalog import get_spec
from components.errors import ArthaflowError, ModelUnavailable
from components.models.contract import Model
from components.models.spec import ModelSpec
from components.registry.artifact import Artifact, read_artifact
from inference.binding import Binder, Inputs, Validator
from inference.v2.datatypes import Array
from inference.v2.response import BatchAnswer, ResponseEncoder

SLOW_S = 0.002
"""A predict call longer than this goes to a thread: below it, the hop costs more than the event loop gains."""


class PredictionFailed(ArthaflowError):
    """The model itself failed on a valid request, or answered with something that is no number."""


class ServedModel:
    """One version of one model, behind the data plane.

    Attributes
    ----------
    name, version : str
        On the protocol.
    spec : ModelSpec
        The declaration.
    golden_cases : int
        How many golden requests were replayed.
    """

    def __init__(self, artifact: Artifact, spec: ModelSpec, model: Model, name: str, version: str) -> None:
        self.artifact = artifact
        self.spec = spec
        self.model = model
        self.name = name
        self.version = version
        self.golden_cases = 0
        self.max_batch = spec.serving.max_batch if spec.serving.batching else 1
        self.variable = any(t.variable for t in artifact.input_schema.tensors)
        self.binder = Binder(artifact.input_schema)
        self.validator = Validator(artifact.input_schema)
        self.encoder = ResponseEncoder(name, version, artifact.output_schema)
        self._float_outputs = [t.name for t in artifact.output_schema.tensors if t.dtype.kind == "f"]
        self._seconds: dict[int, float] = {}
        constant: dict[str, Any] = {"model_version": version}
        if spec.disclaimers:
            constant["disclaimers"] = " ".join(spec.disclaimers)
        self._parameters_head = orjson.dumps(constant)[:-1] + b',"generated_at":"'

    def predict(self, inputs: Inputs, rows: int) -> dict[str, Array]:
        """Ask the model, and remember how long that took for this size of batch.

        Raises
        ------
        ArthaflowError
            What the model raised; anything that is not one becomes :class:`PredictionFailed`.
        """
        begin = time.perf_counter()
        try:
            outputs = self.model.predict(inputs)
        except ArthaflowError:
            raise
        except Exception as error:
            raise PredictionFailed(
                f"{self.name!r} failed on this request ({type(error).__name__}: {error}).",
                "Report it to the model's owner, " + self.spec.owner + ".",
            ) from error
        for name in self._float_outputs:
            # A finite sum means finite values; only an infinite or NaN sum is worth a look at each of them.
            if not np.isfinite(outputs[name].sum()) and not np.isfinite(outputs[name]).all():
                raise PredictionFailed(
                    f"{self.name!r} answered {name!r} with a value that is not a finite number.",
                    "Report it to the model's owner, " + self.spec.owner + ".",
                )
        self._learn(rows, time.perf_counter() - begin)
        return outputs

    def _learn(self, rows: int, seconds: float) -> None:
        size = rows.bit_length()
        known = self._seconds.get(size)
        self._seconds[size] = seconds if known is None else 0.9 * known + 0.1 * seconds

    def is_slow(self, rows: int) -> bool:
        """Whether a batch of this size takes longer than :data:`SLOW_S`, by the nearest size that is known."""
        seconds = self._seconds.get(rows.bit_length())
        if seconds is None:
            smaller = [s for s in self._seconds if s < rows.bit_length()]
            seconds = self._seconds[max(smaller)] if smaller else 0.0
        return seconds > SLOW_S

    def answer(self, outputs: dict[str, Array]) -> BatchAnswer:
        """Wrap a batch's outputs with the response parameters: version, disclaimers, time of the prediction."""
        now = datetime.now(UTC).isoformat(timespec="milliseconds")
        return BatchAnswer(outputs, b'%b%bZ"}' % (self._parameters_head, now[:-6].encode()))

    def replay_golden(self) -> None:
        """Replay the golden requests, twice so that the first call's warm-up is not taken for the model's speed.

        Raises
        ------
        GoldenMismatch
            If an answer differs from the one the model gave when it was trained.
        """
        self.golden_cases = self.artifact.replay_golden(self.model)
        for inputs, _ in self.artifact.golden():
            self.predict(dict(inputs), len(next(iter(inputs.values()))))

    def metadata(self) -> dict[str, Any]:
        """Return the V2 metadata, with columns, units and bounds as tensor parameters."""
        return {
            "name": self.name,
            "versions": [self.version],
            "platform": f"arthaflow_{self.spec.runtime}",
            "inputs": [_tensor_metadata(t) for t in self.artifact.input_schema.tensors],
            "outputs": [_tensor_metadata(t) for t in self.artifact.output_schema.tensors],
        }


def _tensor_metadata(tensor: Any) -> dict[str, Any]:
    parameters: dict[str, Any] = {}
    if tensor.unit:
        parameters["unit"] = tensor.unit
    if tensor.description:
        parameters["description"] = tensor.description
    if tensor.columns:
        parameters["columns"] = [
            {k: v for k, v in vars(column).items() if v not in (None, "")} for column in tensor.columns
        ]
    entry: dict[str, Any] = {"name": tensor.name, "datatype": tensor.datatype, "shape": [-1, *tensor.shape]}
    return {**entry, "parameters": parameters} if parameters else entry


def load_served(directory: Path, name: str, version: str) -> ServedModel:
    """Verify an artifact, load its model and replay its golden requests.

    Parameters
    ----------
    directory : Path
        The artifact.
    name : str
        Name on the protocol; empty for the model's own name.
    version : str
        Version on the protocol; empty for the one in the artifact's metadata, else ``1``.

    Raises
    ------
    ArtifactCorrupt, GoldenMismatch, UnknownModel, ModelUnavailable
        With the file or the value that is wrong; nothing that served before is touched.
    """
    artifact = read_artifact(directory)
    spec = get_spec(artifact.model_name)
    try:
        model = artifact.load_model(spec)
    except (OSError, ValueError, KeyError, ImportError, RuntimeError) as error:
        raise ModelUnavailable(
            f"The model in {directory} cannot be loaded ({type(error).__name__}: {error}).",
            "Serve it with the release that trained it, or train it again.",
        ) from error
    served = ServedModel(
        artifact, spec, model, name or spec.name, version or str(artifact.metadata.get("version", "1"))
    )
    served.replay_golden()
    return_free_memory()
    return served


def return_free_memory() -> None:
    """Give back to the system what loading needed and freed: for a large forest, half of the process (glibc only)."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
