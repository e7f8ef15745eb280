"""The trial's command and its inputs: what it prints, what it refuses, and that hashes are checked."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from components.data.dataset import Dataset
from components.errors import ArtifactCorrupt, ConfigurationError
from components.evaluation.splits import Folds
from components.models.spec import ModelSpec
from components.registry.store import FolderStore
from components.tuning.inputs import digest, read_inputs, upload, write_inputs
from components.tuning.objective import Objective
from components.tuning.trial import assignments, main

KATIB = re.compile(r"([\w|-]+)\s*=\s*([+-]?\d*(\.\d+)?([Ee][+-]?\d+)?)")
"""How Katib's collector reads a line."""


@pytest.fixture
def inputs(tiny: ModelSpec, files: tuple[Path, Path], tmp_path: Path) -> Path:
    return write_inputs(tiny, *files, {}, tmp_path / "inputs")


def run(capsys: pytest.CaptureFixture[str], *words: object) -> tuple[int, str, str]:
    status = main([str(w) for w in words])
    told = capsys.readouterr()
    return status, told.out, told.err


def test_it_prints_what_katib_reads(
    capsys: pytest.CaptureFixture[str], tiny: ModelSpec, data: Dataset, folds: Folds, inputs: Path
) -> None:
    status, out, _ = run(capsys, "--model", "tiny", "--data", inputs, "--seed", 7, "--set", "alpha=3")
    assert status == 0
    read = {m[1]: float(m[2]) for line in out.splitlines() if (m := KATIB.fullmatch(line))}
    score = Objective(tiny, data, folds, {})({"alpha": 3.0})
    assert read["interval_score_ratio"] == pytest.approx(score.value, rel=1e-9)
    assert [read[f"block_{i}"] for i in range(len(score.blocks))] == pytest.approx(score.blocks, rel=1e-9)
    assert read["seconds"] > 0


def test_it_prints_the_same_each_time(capsys: pytest.CaptureFixture[str], inputs: Path) -> None:
    printed = [run(capsys, "--model=tiny", f"--data={inputs}", "--set=alpha=3")[1] for _ in range(2)]
    assert [p.split("seconds")[0] for p in printed[:1]] == [p.split("seconds")[0] for p in printed[1:]]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--set=alpha=0.01"], r"alpha='0\.01' is outside"),
        (["--set=alpha=big"], "alpha='big' is no number"),
        (["--set=beta=1"], "does not search 'beta'"),
        ([], "was given no alpha"),
        (["--set=alpha"], "--set 'alpha' is no assignment"),
        (["--set=alpha=1", "--set=alpha=2"], "alpha is given twice"),
    ],
)
def test_bad_input_is_one_line_and_exit_1(
    capsys: pytest.CaptureFixture[str], inputs: Path, words: list[str], said: str
) -> None:
    status, out, err = run(capsys, "--model=tiny", f"--data={inputs}", *words)
    assert (status, out) == (1, "")
    assert len(err.splitlines()) == 1
    assert re.search(said, err)


def test_default_fills_in(capsys: pytest.CaptureFixture[str], inputs: Path) -> None:
    assert run(capsys, "--model=tiny", f"--data={inputs}", "--default")[0] == 0


@pytest.mark.parametrize("place", ["nowhere", "http://x/y", "{dir}/empty"])
def test_a_place_without_inputs(capsys: pytest.CaptureFixture[str], tmp_path: Path, place: str) -> None:
    (tmp_path / "empty").mkdir()
    status, _, err = run(capsys, "--model=tiny", f"--data={place.format(dir=tmp_path)}", "--default")
    assert status == 1
    assert len(err.splitlines()) == 1


def test_a_changed_file_is_refused(inputs: Path) -> None:
    path = inputs / "folds.json"
    path.write_text(path.read_text().replace("1", "2", 1))
    with pytest.raises(ArtifactCorrupt, match=r"folds\.json has SHA-256"):
        read_inputs("tiny", str(inputs))


def test_anothers_inputs_and_other_artifacts_are_refused(inputs: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="inputs of 'tiny', not of 'price_forecast'"):
        read_inputs("price_forecast", str(inputs))
    from tests.support.tiny import make_tiny_artifact

    with pytest.raises(ConfigurationError, match="holds no tuning inputs"):
        read_inputs("tiny", str(make_tiny_artifact(tmp_path / "model").directory))


def test_the_same_inputs_are_kept_once(tiny: ModelSpec, files: tuple[Path, Path], tmp_path: Path) -> None:
    store = FolderStore(tmp_path / "store")
    places = [upload(write_inputs(tiny, *files, {}, tmp_path / name), store) for name in ("a", "b")]
    assert places[0] == places[1]
    assert len(store.list()) == 1
    other = write_inputs(tiny, *files, {"alpha": 2.0}, tmp_path / "c")
    assert digest(other) != digest(tmp_path / "a")
    assert read_inputs("tiny", places[0]).spec == tiny


def test_fixed_hyper_parameters_travel(tiny: ModelSpec, files: tuple[Path, Path], tmp_path: Path) -> None:
    written = write_inputs(tiny, *files, {"alpha": 2.0}, tmp_path / "c")
    assert read_inputs("tiny", str(written)).fixed == {"alpha": 2.0}
    assert json.loads((written / "metadata.json").read_text())["horizons"] == list(tiny.horizons)


def test_assignments_keep_equals_signs() -> None:
    assert assignments(["a=b=c"]) == {"a": "b=c"}
