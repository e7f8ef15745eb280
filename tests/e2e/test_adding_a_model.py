"""Follows ``docs/adding-a-model.md`` to the letter: its four files in an empty room, then its commands."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from inference.local.supervisor import Supervisor

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "adding-a-model.md").read_text(encoding="utf-8")
FILES = dict(re.findall(r"## \d\. [^\n]*?`(markets_demo/\S+?\.py)`.*?```python\n(.*?)```", PAGE, re.DOTALL))
COMMANDS = [
    shlex.split(line, comments=True)
    for line in re.findall(r"## 5\..*?```bash\n(.*?)```", PAGE, re.DOTALL)[0].splitlines()
    if line.startswith("arthaflow")
]

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    room = tmp_path_factory.mktemp("rooms")
    for name, text in FILES.items():
        (room / name).parent.mkdir(parents=True, exist_ok=True)
        (room / name).write_text(text, encoding="utf-8")
    home = tmp_path_factory.mktemp("home")
    variables = {**os.environ, "ARTHAFLOW_MODEL_PATH": str(room), "ARTHAFLOW_HOME": str(home), "COLUMNS": "160"}
    yield variables
    arthaflow(variables, "stop")


def arthaflow(variables: dict[str, str], *arguments: str) -> str:
    command = [str(Path(sys.executable).with_name("arthaflow")), *arguments]
    result = subprocess.run(command, env=variables, capture_output=True, text=True, timeout=500, cwd=ROOT)
    assert result.returncode == 0, f"{shlex.join(arguments)}\n{result.stdout}\n{result.stderr}"
    return result.stdout


def test_the_page_names_its_four_files_and_its_commands() -> None:
    assert sorted(FILES) == [f"markets_demo/range_forecast/{name}.py" for name in ("data", "model", "product", "spec")]
    assert [command[1] for command in COMMANDS] == ["models", "run", "serve", "predict", "stop"]


def test_the_whole_chain_sees_the_new_model(environment: dict[str, str]) -> None:
    told = {command[1]: arthaflow(environment, *command[1:]) for command in COMMANDS[:-1]}
    assert "range_forecast" in told["models"]
    assert "Promoted" in told["run"]
    assert all(kind in told["serve"] for kind in ("router", "transformer", "explainer", "detector"))
    answer = json.loads(arthaflow(environment, *COMMANDS[3][1:], "--json"))
    assert 0 < answer["range"][0] < 0.2
    assert answer["model_version"] == "1"
    assert answer["disclaimers"] == ["Predictions are probabilistic, not guarantees."]
    why = json.loads(arthaflow(environment, "explain", *COMMANDS[3][2:], "--json"))
    assert {a["feature"] for a in why["attributions"]} >= {"features.vix"} or "vix" in json.dumps(why)
    product = ask_the_product_api(environment)
    assert product["data"] == {"security_id": "SP500", "range": pytest.approx(answer["range"][0])}
    assert product["metadata"]["model_version"] == "1"
    story = json.loads(arthaflow(environment, "models", "show", "range_forecast", "--json"))
    assert story["aliases"]["production"] == "1"
    assert "Stopped" in arthaflow(environment, "stop")


def ask_the_product_api(variables: dict[str, str]) -> Any:
    """Send the page's request to the route that the new folder declares."""
    url = Supervisor(Path(variables["ARTHAFLOW_HOME"])).find("gateway", "all").url
    path, body = re.findall(r"curl -s localhost:8000(\S+) .*?-d '(.*?)'", PAGE, re.DOTALL)[0]
    token = arthaflow(variables, "token", "--role", "app").split()[-1]
    headers = {"authorization": f"Bearer {token}"}
    answer = httpx.post(url + path, content=body, headers=headers, timeout=60.0, trust_env=False)
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_nothing_but_the_folder_was_touched() -> None:
    assert not (ROOT / "components" / "models" / "markets_demo").exists()
    tracked = subprocess.run(["git", "grep", "-l", "range_forecast"], capture_output=True, text=True, cwd=ROOT).stdout
    assert set(tracked.split()) <= {"docs/adding-a-model.md", "tests/e2e/test_adding_a_model.py"}
