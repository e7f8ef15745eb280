"""The installed command as a new user meets it: help, and one clear message for each mistake."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

COMMANDS = [
    "models",
    "run",
    "serve",
    "predict",
    "ask",
    "explain",
    "drift",
    "rollout",
    "compile",
    "submit",
    "demo",
    "stop",
]


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


def arthaflow(home: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    variables = {**os.environ, "ARTHAFLOW_HOME": str(home), "COLUMNS": "200", "TERM": "dumb"}
    command = [str(Path(sys.executable).with_name("arthaflow")), *arguments]
    return subprocess.run(command, env=variables, capture_output=True, text=True, timeout=300)


def told(result: subprocess.CompletedProcess[str]) -> str:
    """What the error panel says, on one line."""
    return " ".join(line.strip(" │\n") for line in result.stderr.splitlines())


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_shows_an_example(home: Path, command: str) -> None:
    result = arthaflow(home, command, "--help")
    assert result.returncode == 0
    assert f"Example: arthaflow {command}" in result.stdout


@pytest.mark.parametrize(
    ("arguments", "problem", "remedy"),
    [
        (("run", "price_forcast"), "There is no model 'price_forcast'", "Did you mean 'price_forecast'?"),
        (("run", "price_forecast", "--source", "/nowhere/bars.csv"), "/nowhere/bars.csv", ""),
        (("run", "price_forecast", "--params", '{"nonsense": 1}'), "nonsense", "It has"),
        (("run", "price_forecast", "--params", "{"), "not JSON", "Write them as"),
        (("run", "price_forecast", "--horizons", "10_years"), "10_years", "1_day"),
        (("serve", "price_forecast"), "no version 'production'", "arthaflow run price_forecast"),
        (("predict", "price_forecast", "--entity", "SP500"), "No transformer/price_forecast runs", "arthaflow serve"),
        (("ask", "price_forecast", "--example"), "No product API runs", "arthaflow serve price_forecast"),
        (("ask", "price_forecast", "/nowhere.json"), "/nowhere.json", "--show prints an example"),
        (("drift", "price_forecast"), "No detector/price_forecast runs", "arthaflow serve"),
        (("submit", "price_forecast", "--host", "http://127.0.0.1:9"), "cannot be reached", "Check --host"),
        (("submit", "price_forecast"), "host", "--host"),
    ],
)
def test_a_mistake_gets_one_message_with_a_remedy(
    home: Path, arguments: tuple[str, ...], problem: str, remedy: str
) -> None:
    result = arthaflow(home, *arguments)
    assert result.returncode == 1, result.stdout + result.stderr
    assert problem in told(result)
    assert remedy in told(result)
    assert "Traceback" not in result.stderr


def test_data_that_is_refused_names_rows_and_reasons(home: Path, tmp_path: Path) -> None:
    bars = ["timestamp,open,high,low,close,volume"]
    bars += [f"2020-01-{day:02d},10,9,8,10,100" for day in range(1, 29)]
    (tmp_path / "bad.csv").write_text("\n".join(bars))
    result = arthaflow(home, "run", "price_forecast", "--source", str(tmp_path / "bad.csv"))
    assert result.returncode == 1
    assert "DataRejected" in result.stderr
    assert "2020-01-" in told(result)
    assert not list(home.glob("artifacts/**/manifest.json"))


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("", "empty"),
        ("timestamp,open,high,low,volume\n2020-01-01,1,1,1,1\n", "close"),
        ("timestamp,open,high,low,close,volume\n2020-01-01,1,1,1,abc,1\n", "abc"),
    ],
)
def test_a_broken_file_is_named_with_what_is_wrong(home: Path, tmp_path: Path, content: str, problem: str) -> None:
    (tmp_path / "bars.csv").write_text(content)
    result = arthaflow(home, "run", "price_forecast", "--source", str(tmp_path / "bars.csv"))
    assert result.returncode == 1
    assert "bars.csv" in told(result)
    assert problem in told(result)


def test_compile_writes_the_graph(home: Path, tmp_path: Path) -> None:
    result = arthaflow(home, "compile", "price_forecast", "-o", str(tmp_path / "graph.yaml"))
    assert result.returncode == 0
    assert "train-candidate" in (tmp_path / "graph.yaml").read_text()


def test_json_of_an_untrained_model(home: Path) -> None:
    result = arthaflow(home, "models", "show", "price_forecast", "--json")
    assert json.loads(result.stdout)["versions"] == []


def test_a_taken_port_is_said_before_anything_starts(home: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        command = [sys.executable, "-m", "inference.predictor", "--artifact", "/nowhere", "--host", "127.0.0.1"]
        result = subprocess.run([*command, "--http_port", port], capture_output=True, text=True, timeout=120)
    assert result.returncode != 0
    assert port in result.stderr
    assert "Traceback" not in result.stderr
