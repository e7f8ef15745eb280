"""The gateway's parts: the models file, the four paths, the headers that pass."""

from __future__ import annotations

from pathlib import Path

import pytest

from components.errors import ConfigurationError, UnknownModel
from inference.gateway.headers import request_id, to_client, to_model
from inference.gateway.options import parse
from inference.gateway.passage import Target, match
from inference.gateway.problems import NoSuchRoute, WrongMethod
from inference.gateway.table import ModelTable, read_entries

GOOD = "models: {tiny: {url: 'http://127.0.0.1:8080', host: tiny.models.local, timeout_s: 5}}"


def entries(text: str) -> object:
    return read_entries(text.encode(), Path("models.yaml"))


def test_a_models_file_may_be_yaml_or_json() -> None:
    assert entries(GOOD) == entries(
        '{"models": {"tiny": {"url": "http://127.0.0.1:8080", "host": "tiny.models.local", "timeout_s": 5}}}'
    )


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("models: {tiny: {}}", "models.tiny.url"),
        ("models: {tiny: {url: 'https://x'}}", "https://x"),
        ("models: {tiny: {url: 'http://x/v2'}}", "http://x/v2"),
        ("models: {tiny: {url: 'http://user@x'}}", "http://user@x"),
        ("models: {tiny: {url: 'http://x:99999'}}", "http://x:99999"),
        ("models: {tiny: {url: 'http://x:http'}}", "http://x:http"),
        ("models: {tiny: {url: 'http://two words'}}", "http://two words"),
        ("models: {tiny: {url: 'http://x#y'}}", "http://x#y"),
        ("models: {tiny: {url: 2024-13-45}}", "not YAML"),
        ("[" * 5000, "not YAML"),
        ("models: {tiny: {url: 'http://x', timeout_s: 0}}", "models.tiny.timeout_s"),
        ("models: {tiny: {url: 'http://x', max_in_flight: 0}}", "models.tiny.max_in_flight"),
        ("models: {tiny: {url: 'http://x', host: \"a\\r\\nx: y\"}}", "models.tiny.host"),
        ("models: {'../repository': {url: 'http://x'}}", "../repository"),
        ("models: {tiny: {url: 'http://x', timeout: 3}}", "models.tiny.timeout"),
        ("models: []", "models"),
        ("", "the file"),
        ("models: {", "not YAML"),
    ],
)
def test_a_wrong_models_file_is_refused_by_the_value_that_is_wrong(text: str, named: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        entries(text)
    assert named in str(refused.value)
    assert "models.yaml" in str(refused.value)


def test_the_table_follows_its_file_and_survives_a_bad_one(tmp_path: Path) -> None:
    path = tmp_path / "models.yaml"
    path.write_text(GOOD)
    table = ModelTable(path)
    assert not table.refresh()
    path.write_text("models: {tiny: {url: nothing}}")
    assert not table.refresh()
    assert (table.valid, set(table.entries)) == (False, {"tiny"})
    path.unlink()
    assert not table.refresh()
    assert (table.valid, set(table.entries)) == (False, {"tiny"})
    path.write_text(GOOD)
    assert table.refresh()
    assert (table.valid, set(table.entries)) == (True, {"tiny"})
    path.unlink()
    assert not table.refresh()
    path.write_text(GOOD)  # back, and the same as before it was away
    table.refresh()
    assert table.valid
    path.write_text(GOOD.replace("tiny:", "other:"))
    assert table.refresh()
    assert (table.valid, set(table.entries)) == (True, {"other"})
    with pytest.raises(UnknownModel, match="other"):
        table.find("tiny")


def test_a_configmap_is_changed_by_exchanging_a_link(tmp_path: Path) -> None:
    for version, name in (("1", "tiny"), ("2", "other")):
        folder = tmp_path / version
        folder.mkdir()
        (folder / "models.yaml").write_text(GOOD.replace("tiny:", f"{name}:"))
    (tmp_path / "data").symlink_to("1")
    (tmp_path / "models.yaml").symlink_to("data/models.yaml")
    table = ModelTable(tmp_path / "models.yaml")
    (tmp_path / "new").symlink_to("2")
    (tmp_path / "new").replace(tmp_path / "data")
    assert table.refresh()
    assert set(table.entries) == {"other"}


@pytest.mark.parametrize(
    ("method", "path", "target"),
    [
        ("POST", "/v2/models/tiny/infer", Target("tiny", "/v2/models/tiny/infer")),
        ("POST", "/v1/models/tiny:explain", Target("tiny", "/v1/models/tiny:explain")),
        ("GET", "/v2/models/tiny/ready", Target("tiny", "/v2/models/tiny/ready")),
        ("GET", "/v2/models/tiny", Target("tiny", "/v2/models/tiny")),
    ],
)
def test_four_paths_are_passed_on(method: str, path: str, target: Target) -> None:
    assert match(method, path) == target


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/v2",
        "/v2/repository/models/tiny/load",
        "/v2/repository/index",
        "/v2/models/tiny/versions/1/infer",
        "/v2/models/tiny/unload",
        "/v2/models//infer",
        "/v2/models/tiny/infer/",
        "/v2/models/tiny/../repository/load",
        "/v1/models/tiny:predict",
        "/v1/models/tiny",
        "/metrics/x",
        "//v2/models/tiny/infer",
    ],
)
def test_everything_else_is_not(path: str) -> None:
    with pytest.raises(NoSuchRoute):
        match("POST", path)


def test_another_method_is_told_the_right_one() -> None:
    with pytest.raises(WrongMethod, match="POST") as refused:
        match("GET", "/v2/models/tiny/infer")
    assert refused.value.allowed == "POST"


def test_only_listed_headers_reach_a_model() -> None:
    sent = [
        (b"authorization", b"Bearer x"),
        (b"cookie", b"a=b"),
        (b"connection", b"close"),
        (b"x-forwarded-for", b"1.2.3.4"),
        (b"traceparent", b"00-1-2-01"),
        (b"x-model-track", b"canary"),
        (b"ce-id", b"order-17"),
        (b"inference-header-content-length", b"7"),
        (b"x-request-id", b"from-client"),
    ]
    assert dict(to_model(sent, b"chosen")) == {
        b"traceparent": b"00-1-2-01",
        b"x-model-track": b"canary",
        b"ce-id": b"order-17",
        b"inference-header-content-length": b"7",
        b"x-request-id": b"chosen",
    }


def test_a_client_cannot_hide_from_the_drift_detector() -> None:
    assert to_model([(b"ce-id", b"explain-1")], b"i") == [(b"x-request-id", b"i")]


def test_only_listed_headers_reach_a_client() -> None:
    told = [(b"server", b"uvicorn"), (b"authorization", b"echoed"), (b"content-type", b"x"), (b"retry-after", b"3")]
    assert to_client(told) == [(b"content-type", b"x"), (b"retry-after", b"3")]


@pytest.mark.parametrize("given", [[], [b"a b"], [b""], [b"x" * 129], [b"a", b"b"], [b"a\tb"]])
def test_a_request_id_that_is_no_good_is_replaced(given: list[bytes]) -> None:
    made = request_id([(b"x-request-id", value) for value in given])
    assert len(made) == 32
    assert made not in given


@pytest.mark.parametrize("value", ["0", "-1", "nan", "inf", "much"])
def test_a_limit_that_is_none_is_refused(value: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parse(["--models", "m.yaml", "--max_held_mb", value])
    assert "--max_held_mb" in capsys.readouterr().err
