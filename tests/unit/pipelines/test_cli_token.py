"""``arthaflow token``."""

from __future__ import annotations

from pathlib import Path

import jwt
import pytest
from typer.testing import CliRunner

from components.errors import ConfigurationError
from components.settings import settings
from inference.gateway.config import gateway_settings
from inference.gateway.identity.local_issuer import LocalIssuer
from pipelines.cli import app
from pipelines.cli.token import seconds


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ARTHAFLOW_HOME", str(tmp_path))
    settings.cache_clear()
    gateway_settings.cache_clear()
    return tmp_path


@pytest.fixture(autouse=True)
def _fresh() -> object:
    yield
    settings.cache_clear()
    gateway_settings.cache_clear()


def test_a_token_says_what_was_asked(home: Path) -> None:
    asked = [
        "token",
        "--role",
        "ml_engineer",
        "--tier",
        "premium",
        "--ttl",
        "2h",
        "--subject",
        "someone",
        "--scope",
        "predict",
    ]
    result = CliRunner().invoke(app, asked)
    assert result.exit_code == 0, result.output
    token = result.output.strip()
    claims = jwt.decode(token, options={"verify_signature": False})
    assert (claims["role"], claims["tier"], claims["sub"], claims["scope"]) == (
        "ml_engineer",
        "premium",
        "someone",
        "predict",
    )
    assert (claims["iss"], claims["aud"], claims["exp"] - claims["iat"]) == ("arthaflow-local", "arthaflow", 7200)
    assert jwt.get_unverified_header(token)["alg"] == "ES256"
    assert LocalIssuer(home).key_set.exists()


def test_rotate_makes_another_key(home: Path) -> None:
    run = CliRunner()
    first = run.invoke(app, ["token"]).output.strip()
    assert run.invoke(app, ["token", "rotate"]).exit_code == 0
    second = run.invoke(app, ["token"]).output.strip()
    kids = [jwt.get_unverified_header(token)["kid"] for token in (first, second)]
    assert kids[0] != kids[1]
    published = LocalIssuer(home).key_set.read_text()
    assert all(kid in published for kid in kids)
    assert run.invoke(app, ["token", "rotate", "--forget"]).exit_code == 0
    published = LocalIssuer(home).key_set.read_text()
    assert not any(kid in published for kid in kids)


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (["--role", "root"], "'root' is no role"),
        (["--tier", "gold"], "'gold' is no tier"),
        (["--scope", "everything"], "'everything' is no scope"),
        (["--ttl", "soon"], "'soon' is no duration"),
        (["--ttl", "31d"], "30 days"),
        (["--ttl", "0s"], "30 days"),
    ],
)
def test_what_cannot_be_is_refused(home: Path, asked: list[str], said: str) -> None:
    result = CliRunner().invoke(app, ["token", *asked])
    assert isinstance(result.exception, ConfigurationError)
    assert said in str(result.exception)


def test_a_foreign_issuers_tokens_are_not_made_here(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ARTHAFLOW_GATEWAY_AUTH", "oidc")
    result = CliRunner().invoke(app, ["token"])
    assert isinstance(result.exception, ConfigurationError)
    assert "oidc" in str(result.exception)


def test_durations() -> None:
    assert [seconds(text) for text in ("90s", "30m", "8h", "7d")] == [90, 1800, 28800, 604800]
