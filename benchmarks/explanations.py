"""Times every kind of explanation of one trained model, through its real explainer and predictor.

    python benchmarks/explanations.py --artifact .arthaflow/artifacts/price_forecast/<version>
    python benchmarks/explanations.py --artifact ... --write docs/explanations.md

The explainer runs in ``.venv-explain`` where that is there, so that Alibi's kinds are among them.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path[0] = str(ROOT)  # as a script, sys.path starts with this folder, whose modules are benchmarks.*

import httpx  # noqa: E402

from benchmarks.document import header_lines  # noqa: E402
from benchmarks.report import replace_block  # noqa: E402
from components.data.dataset import Dataset  # noqa: E402
from components.registry.artifact import read_artifact  # noqa: E402
from inference.explain.kinds import METHODS  # noqa: E402
from inference.local import LocalServing  # noqa: E402


def main() -> None:
    """Parse the command line, measure, and print or write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--artifact", type=Path, required=True)
    parser.add_argument("--relative_to", default="close", help="input column; the change against it is explained")
    parser.add_argument("--write", type=Path, help="document whose block is replaced")
    arguments = parser.parse_args()
    rows = measure(arguments.artifact.resolve(), arguments.relative_to)
    block = "\n".join([*header_lines(), "", *rows])
    if arguments.write:
        text = arguments.write.read_text(encoding="utf-8")
        arguments.write.write_text(replace_block(text, block, "benchmarks/explanations.py"), encoding="utf-8")
    else:
        print(block)


def measure(directory: Path, relative_to: str) -> list[str]:
    """Return the lines of a Markdown table."""
    artifact = read_artifact(directory)
    background = Dataset.read(directory / "model" / "background.parquet")
    instance = {name: values[-1].tolist() for name, values in background.inputs.items()}
    lines = ["| kind | seconds | model rows | what it told |", "|---|---:|---:|---|"]
    with TemporaryDirectory() as home:
        serving = LocalServing(Path(home))
        try:
            predictor = serving.deploy(artifact.model_name, "1", directory)
            url = serving.start_explainer(artifact.model_name, directory, predictor).url
            for kind in METHODS:
                parameters = {"kind": kind, "relative_to": relative_to}
                asked: dict[str, Any] = {"parameters": parameters}
                if not METHODS[kind].whole_model:
                    asked["instances"] = [instance]
                lines.append(_line(kind, ask(f"{url}/v1/models/{artifact.model_name}:explain", asked)))
        finally:
            serving.stop_all()
    return lines


def ask(url: str, asked: dict[str, Any]) -> dict[str, Any]:
    """Return an explanation, or the refusal; ask again while it is being computed."""
    while True:
        answer = httpx.post(url, json=asked, timeout=600, trust_env=False)
        if answer.status_code != 503:
            told: dict[str, Any] = answer.json()
            return told["explanations"][0] if answer.is_success else {"refused": told["error"]}
        time.sleep(float(answer.headers["retry-after"]))


def _line(kind: str, told: dict[str, Any]) -> str:
    if "refused" in told:
        return f"| `{kind}` | | | refused: {told['refused'].split(': ', 1)[-1]} |"
    return f"| `{kind}` | {told['seconds']:.1f} | {told['model_rows']:,} | {_finding(told)} |"


def _finding(told: dict[str, Any]) -> str:
    fidelity = told.get("fidelity")
    if fidelity:
        return f"fidelity {fidelity.get('r2', fidelity.get('score')):.2f}"
    if "counterfactuals" in told:
        return f"{len(told['counterfactuals'])} answers, the smallest {told['counterfactuals'][0]['distance']:.3f}"
    if "precision" in told:
        return f"precision {told['precision']:.2f}, coverage {told['coverage']:.2f}"
    if "agreement" in told:
        return f"the two measures' ranks agree by {told['agreement']:.2f}"
    return f"adds up; {told['attributions'][0]['feature']} first"


if __name__ == "__main__":
    main()
