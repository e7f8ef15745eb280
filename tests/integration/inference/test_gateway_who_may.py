"""Who may, at the real gateway: an OpenID issuer, two replicas over one Redis, signed callers, admin networks."""

from __future__ import annotations

import os
from collections.abc import Iterator

import httpx
import pytest

from inference.gateway.identity.signing import sign
from tests.support.gateway import ROW, ProductApi, product_api
from tests.support.issuer import Issuer, issuer
from tests.support.redis_server import ABSENT, RedisServer

SECRET = b"s" * 40
LIMIT = 30


@pytest.fixture(scope="module")
def authority() -> Iterator[Issuer]:
    with issuer() as made:
        yield made


@pytest.fixture(scope="module")
def replicas(authority: Issuer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[ProductApi, ProductApi]]:
    """Two processes of one deployment; the first trusts the proxy at 127.0.0.1."""
    if ABSENT:
        pytest.skip(ABSENT)
    redis = RedisServer(tmp_path_factory.mktemp("redis"))
    redis.start()
    environment = {
        **os.environ,
        "ARTHAFLOW_REDIS_URL": redis.url,
        "ARTHAFLOW_PEPPER": "p" * 32,
        "ARTHAFLOW_GATEWAY_AUTH": "oidc",
        "ARTHAFLOW_GATEWAY_ISSUER": authority.url,
        "ARTHAFLOW_GATEWAY_ROLE_CLAIM": "realm_access.roles",
        "ARTHAFLOW_GATEWAY_AUTHENTICATED_PER_HOUR": str(LIMIT),
        "ARTHAFLOW_GATEWAY_INTERNAL_KEYS": f"jobs:ml_engineer={SECRET.decode()}",
        "ARTHAFLOW_GATEWAY_ADMIN_NETWORKS": "192.0.2.0/24",
        "ARTHAFLOW_GATEWAY_TRUSTED_PROXIES": "127.0.0.1",
    }
    environment.pop("ARTHAFLOW_HOME", None)
    models = {"tiny": {"url": "http://127.0.0.1:9"}}
    folders = [tmp_path_factory.mktemp("replica") for _ in range(2)]
    with product_api(folders[0], models, environment) as one, product_api(folders[1], models, environment) as two:
        yield one, two
    redis.stop()


def token(authority: Issuer, role: str, **claims: object) -> dict[str, str]:
    made = authority.token(None, realm_access={"roles": ["offline_access", role]}, **claims)
    return {"Authorization": f"Bearer {made}"}


def ask(api: ProductApi, path: str, headers: dict[str, str], method: str = "GET", body: bytes = b"") -> httpx.Response:
    return httpx.request(method, api.url + path, headers=headers, content=body, timeout=30, trust_env=False)


def test_one_allowance_at_two_replicas(replicas: tuple[ProductApi, ProductApi], authority: Issuer) -> None:
    headers = token(authority, "data_scientist", sub="busy")
    answers = [ask(replicas[n % 2], "/api/v1/ml/models", headers) for n in range(LIMIT + 10)]
    assert [answer.status_code for answer in answers] == [200] * LIMIT + [429] * 10
    refused = answers[-1]
    assert refused.headers.get_list("retry-after") == [refused.headers["ratelimit-reset"]]
    assert int(refused.headers["retry-after"]) > 0
    assert refused.json()["error"]["code"] == "RATE_LIMITED"
    assert answers[0].headers["ratelimit-remaining"] == str(LIMIT - 1)
    models = ask(replicas[0], "/v2/models/tiny/infer", headers, "POST", b"{}")
    assert (models.status_code, models.headers.get_list("retry-after")[0] > "0") == (429, True)


@pytest.mark.parametrize(
    "path", ["/api/v1/ml/models", "/api/ml/models", "/v2/models/tiny/infer", "/v1/ml/models", "/nowhere"]
)
def test_no_route_answers_without_a_token(replicas: tuple[ProductApi, ProductApi], path: str) -> None:
    for method in ("GET", "POST"):
        answer = ask(replicas[0], path, {}, method)
        assert answer.status_code == 401
        assert answer.headers.get_list("www-authenticate") == ['Bearer realm="arthaflow"']


def test_a_role_without_the_scope_is_told_which_have_it(
    replicas: tuple[ProductApi, ProductApi], authority: Issuer
) -> None:
    answer = ask(replicas[0], "/api/v1/ml/models", token(authority, "app", scope="predict", sub="narrow"))
    assert answer.status_code == 403
    assert "models:read" in answer.json()["error"]["message"]


def test_admin_routes_need_the_network_and_the_role(replicas: tuple[ProductApi, ProductApi], authority: Issuer) -> None:
    admin = token(authority, "admin", sub="root")
    inside, outside = {"X-Forwarded-For": "192.0.2.9"}, {"X-Forwarded-For": "192.0.2.9, 198.51.100.4"}
    for path in ("/api/v1/ml/audit", "/admin/deploy"):
        assert ask(replicas[0], path, admin | outside, "POST", b"{}").status_code == 403
        assert ask(replicas[0], path, admin, "POST", b"{}").status_code == 403
        assert ask(replicas[0], path, inside, "POST", b"{}").status_code == 401
        assert ask(replicas[0], path, admin | inside, "POST", b"{}").status_code not in (401, 403)
    refused = ask(replicas[0], "/admin/deploy", token(authority, "app", sub="app") | inside, "POST", b"{}")
    assert refused.status_code == 403


@pytest.mark.parametrize("path", ["/api/ml/lab/tiny", "/v1/ml/lab/tiny", "/v2/models/tiny/infer"])
def test_signed_callers_pass_every_door_once(replicas: tuple[ProductApi, ProductApi], path: str) -> None:
    import orjson

    body = orjson.dumps(ROW)
    headers = sign("POST", path, body, "jobs", SECRET) | {"Content-Type": "application/json"}
    first = ask(replicas[0], path, headers, "POST", body)
    assert first.status_code not in (401, 403, 429), first.text
    assert "ratelimit-limit" not in first.headers
    assert ask(replicas[1], path, headers, "POST", body).status_code == 401, "a replay at the other replica"
    changed = sign("POST", path, body, "jobs", SECRET)
    assert ask(replicas[0], path, changed, "POST", body + b" ").status_code == 401


def test_public_routes_are_open(replicas: tuple[ProductApi, ProductApi]) -> None:
    for path in ("/healthz", "/ready", "/metrics", "/openapi.json", "/docs", "/api"):
        assert ask(replicas[0], path, {}).status_code == 200, path


def test_neither_subjects_nor_tokens_nor_secrets_stand_in_logs_or_metrics(
    replicas: tuple[ProductApi, ProductApi], authority: Issuer
) -> None:
    headers = token(authority, "app", sub="somebody-private")
    for _ in range(3):
        ask(replicas[0], "/api/v1/ml/models", headers)
    ask(replicas[0], "/api/v1/ml/models?access_token=hush-hush", headers)
    told = replicas[0].log.read_text() + ask(replicas[0], "/metrics", {}).text
    for secret in ("somebody-private", headers["Authorization"][7:], SECRET.decode(), "hush-hush"):
        assert secret not in told
