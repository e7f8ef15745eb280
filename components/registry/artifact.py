"""Artifacts: one folder per trained model, in safe formats only, with the SHA-256 of every file.

Layout::

    manifest.json    name of the model, format version, created_at, {path: {sha256, size}} of every other file
    schema.json      input and output tensors
    golden.json      a few requests with the answers the model gave when it was trained
    metadata.json    metrics, lineage, ONNX parity, engine table, model card facts
    model/           what Model.save wrote

An artifact is written beside its final place and renamed at the end, so that a half-written one is never seen.
"""

from __future__ import annotations

import errno
import hashlib
import json
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import numpy as np

from components.errors import ArtifactCorrupt, GoldenMismatch, OutOfSpace
from components.models.contract import Model
from components.models.schema import DTYPES, Batch, Schema
from components.models.spec import ModelSpec

FORMAT = 1
SAFE_SUFFIXES = frozenset({".json", ".onnx", ".ubj", ".safetensors", ".parquet", ".skops", ".txt", ".md"})
"""Formats that cannot execute code when they are read."""

GOLDEN_RTOL = 1e-5
"""Relative tolerance of golden answers: engines may differ in the last bits of single precision."""


@dataclass(frozen=True)
class Artifact:
    """A verified artifact on the local disk."""

    directory: Path
    manifest: Mapping[str, Any]
    metadata: Mapping[str, Any]
    input_schema: Schema
    output_schema: Schema

    @property
    def model_name(self) -> str:
        """Name of the model in the catalogue."""
        return str(self.manifest["model"])

    def load_model(self, spec: ModelSpec) -> Model:
        """Load the model; its class comes from the catalogue's spec."""
        return spec.load_model_class().load(self.directory / "model")

    def golden(self) -> list[tuple[Batch, Batch]]:
        """Return the golden requests with their answers."""
        raw = _read_json(self.directory / "golden.json")
        return [(_decode(case["inputs"]), _decode(case["outputs"])) for case in raw["cases"]]

    def replay_golden(self, model: Model) -> int:
        """Ask ``model`` the golden requests; return how many there were.

        Raises
        ------
        GoldenMismatch
            With the tensor and the two values, if an answer differs.
        """
        cases = self.golden()
        for number, (inputs, expected) in enumerate(cases):
            answer = model.predict(inputs)
            for name, want in expected.items():
                got = np.asarray(answer[name])
                same = (
                    np.allclose(got, want, rtol=GOLDEN_RTOL, atol=1e-8)
                    if want.dtype.kind == "f"
                    else np.array_equal(got, want)
                )
                if not same:
                    raise GoldenMismatch(
                        f"Golden request {number} of {self.model_name!r}: output {name!r} is {got.tolist()}, "
                        f"was {want.tolist()} when the model was trained.",
                        "Serve it with the library versions it was trained with, or train it again.",
                    )
        return len(cases)


@contextmanager
def atomic_directory(target: Path) -> Iterator[Path]:
    """Yield a scratch directory that becomes ``target`` when the block ends well, and vanishes when it does not.

    Raises
    ------
    OutOfSpace
        If the disk filled up; ``target`` is as it was before.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    scratch = Path(mkdtemp(prefix=f".{target.name}.", dir=target.parent))
    try:
        yield scratch
        _replace_directory(scratch, target)
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise OutOfSpace(
                f"The disk filled up while {target} was being written.",
                "Free some space and run again; nothing was changed.",
            ) from error
        raise
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _replace_directory(source: Path, target: Path) -> None:
    if not target.exists():
        source.replace(target)
        return
    old = Path(mkdtemp(prefix=f".{target.name}.old.", dir=target.parent))
    target.replace(old / "d")
    source.replace(target)
    shutil.rmtree(old)


def write_artifact(
    target: Path, spec: ModelSpec, model: Model, golden_inputs: Batch, metadata: Mapping[str, Any]
) -> Artifact:
    """Write a trained model as an artifact.

    Parameters
    ----------
    target : Path
        Final directory.
    spec : ModelSpec
        The model's declaration.
    model : Model
        A trained model.
    golden_inputs : mapping of str to ndarray
        A few real rows; each row becomes a golden request, and all of them together one more.
    metadata : mapping
        JSON-ready facts: metrics, lineage, parity.
    """
    with atomic_directory(target) as scratch:
        (scratch / "model").mkdir()
        model.save(scratch / "model")
        rows = len(next(iter(golden_inputs.values())))
        batches = [{k: v[i : i + 1] for k, v in golden_inputs.items()} for i in range(rows)] + [dict(golden_inputs)]
        cases = [{"inputs": _encode(b), "outputs": _encode(model.predict(b))} for b in batches]
        _write_json(scratch / "golden.json", {"cases": cases})
        _write_json(
            scratch / "schema.json",
            {"inputs": model.input_schema.to_dict(), "outputs": model.output_schema.to_dict()},
        )
        _write_json(scratch / "metadata.json", metadata)
        write_manifest(scratch, spec.name)
    return read_artifact(target)


def write_manifest(directory: Path, model_name: str) -> None:
    """Write ``manifest.json`` with the SHA-256 of every file below ``directory``."""
    files = sorted(p for p in directory.rglob("*") if p.is_file() and p.name != "manifest.json")
    _write_json(
        directory / "manifest.json",
        {
            "format": FORMAT,
            "model": model_name,
            "created_at": datetime.now(UTC).isoformat(timespec="seconds"),
            "files": {
                p.relative_to(directory).as_posix(): {"sha256": sha256(p), "size": p.stat().st_size} for p in files
            },
        },
    )


def read_artifact(directory: Path) -> Artifact:
    """Verify every file of an artifact and return it.

    Raises
    ------
    ArtifactCorrupt
        If the manifest is missing or unreadable, or a file is missing, extra, unsafe, truncated or changed.
    """
    manifest = _read_json(directory / "manifest.json")
    if manifest.get("format") != FORMAT:
        raise ArtifactCorrupt(
            f"{directory} has artifact format {manifest.get('format')!r}, this code reads {FORMAT}.",
            "Train the model again, or use the release that wrote it.",
        )
    present = {p.relative_to(directory).as_posix() for p in directory.rglob("*") if p.is_file()} - {"manifest.json"}
    listed = manifest["files"]
    for name in sorted(present - set(listed)):
        raise ArtifactCorrupt(f"{directory / name} is not in the manifest.", "Remove it or fetch the artifact again.")
    for name, want in listed.items():
        _verify(directory / name, want)
    schema = _read_json(directory / "schema.json")
    return Artifact(
        directory,
        manifest,
        _read_json(directory / "metadata.json"),
        Schema.from_dict(schema["inputs"]),
        Schema.from_dict(schema["outputs"]),
    )


def _verify(path: Path, want: Mapping[str, Any]) -> None:
    again = "Fetch the artifact again, or train the model again."
    if path.suffix not in SAFE_SUFFIXES:
        safe = ", ".join(sorted(SAFE_SUFFIXES))
        raise ArtifactCorrupt(f"{path} has the unsafe format {path.suffix!r}.", f"Use {safe}.")
    if not path.is_file():
        raise ArtifactCorrupt(f"{path} is missing.", again)
    if path.stat().st_size != want["size"]:
        raise ArtifactCorrupt(f"{path} has {path.stat().st_size} bytes, the manifest says {want['size']}.", again)
    got = sha256(path)
    if got != want["sha256"]:
        raise ArtifactCorrupt(f"{path} has SHA-256 {got[:12]}…, the manifest says {want['sha256'][:12]}….", again)


def sha256(path: Path) -> str:
    """Return the SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _encode(batch: Batch) -> dict[str, Any]:
    names = {np.dtype(v): k for k, v in DTYPES.items()}
    return {
        name: {"datatype": names[array.dtype], "shape": list(array.shape), "data": array.reshape(-1).tolist()}
        for name, array in batch.items()
    }


def _decode(raw: Mapping[str, Any]) -> Batch:
    return {name: np.array(t["data"], dtype=DTYPES[t["datatype"]]).reshape(t["shape"]) for name, t in raw.items()}


def _write_json(path: Path, value: Any) -> None:
    path.write_text(json.dumps(value, indent=1, allow_nan=False) + "\n", encoding="utf-8")


def _read_json(path: Path) -> dict[str, Any]:
    try:
        value: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ArtifactCorrupt(f"{path} is missing.", "Fetch the artifact again, or train the model again.") from error
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise ArtifactCorrupt(
            f"{path} is not readable JSON ({error}).", "Fetch the artifact again, or train the model again."
        ) from error
    return value
