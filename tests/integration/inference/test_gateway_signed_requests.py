"""Signed requests of internal callers, over HTTP; replays are noticed by every replica that shares Redis."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from components.errors import ConfigurationError
from inference.gateway.config import GatewaySettings
from inference.gateway.identity.internal_callers import internal_keys
from inference.gateway.identity.signing import content_digest, sign, signature_base
from tests.support.guarded import Guarded, guarded
from tests.support.redis_server import RedisServer, redis_process, redis_server, redis_url

__all__ = ["redis_process", "redis_server", "redis_url"]

SECRET, OTHER = b"s" * 40, b"o" * 40
PATH, BODY = "/api/ml/predict%20x?b=1&a=2", b'{"rows": [1, 2]}'


def config(keys: str = f"jobs:ml_engineer={SECRET.decode()},shop={OTHER.decode()}") -> GatewaySettings:
    return GatewaySettings(internal_keys=keys, leeway_s=5)


@pytest.fixture(scope="module")
def door(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    with guarded(config(), tmp_path_factory.mktemp("home")) as made:
        made.keeper.failures.per_minute = 10**6
        yield made


def send(
    door: Guarded, headers: dict[str, str], body: bytes = BODY, path: str = PATH, method: str = "POST"
) -> httpx.Response:
    return door.client.request(method, path, headers=headers, content=body)


def refused(answer: httpx.Response, said: str) -> None:
    assert answer.status_code == 401, answer.text
    assert said in answer.json()["error"]["message"]
    assert answer.headers["www-authenticate"].startswith("Bearer ")
    assert SECRET.decode() not in answer.text


def test_a_signed_request_is_admitted_without_limit(door: Guarded) -> None:
    told = send(door, sign("POST", PATH, BODY, "jobs", SECRET)).json()
    assert (told["role"], told["tier"], told["subject"]) == ("ml_engineer", "internal", "internal:jobs")
    assert send(door, sign("POST", "/api/ml/x", b"", "shop", OTHER), b"", "/api/ml/x").json()["role"] == "app"
    assert send(door, sign("GET", "/api/ml/x", b"", "shop", OTHER), b"", "/api/ml/x", "GET").status_code == 200


def test_a_replay_is_refused(door: Guarded) -> None:
    headers = sign("POST", PATH, BODY, "jobs", SECRET)
    assert send(door, headers).status_code == 200
    refused(send(door, headers), "used before")


def test_what_was_changed_after_signing_is_refused(door: Guarded) -> None:
    refused(send(door, sign("POST", PATH, BODY, "jobs", SECRET), BODY.replace(b"1", b"9")), "Content-Digest")
    forged = sign("POST", PATH, BODY, "jobs", SECRET) | {"Content-Digest": content_digest(b"other")}
    refused(send(door, forged, b"other"), "does not fit")
    refused(send(door, sign("POST", PATH, BODY, "jobs", SECRET), method="PUT"), "does not fit")
    refused(send(door, sign("POST", PATH, BODY, "jobs", SECRET), path="/api/ml/y?b=1&a=2"), "does not fit")
    refused(send(door, sign("POST", PATH, BODY, "jobs", SECRET), path=PATH.replace("a=2", "a=3")), "does not fit")
    refused(send(door, sign("POST", PATH, BODY, "jobs", SECRET), path=PATH.partition("?")[0]), "does not fit")


def test_foreign_and_wrong_secrets_are_refused_alike(door: Guarded) -> None:
    wrong = send(door, sign("POST", PATH, BODY, "jobs", OTHER))
    unknown = send(door, sign("POST", PATH, BODY, "nobody", SECRET))
    refused(wrong, "does not fit")
    assert wrong.text == unknown.text, "the answer must not tell which ids exist"


def test_old_and_future_signatures_are_refused(door: Guarded) -> None:
    now = int(time.time())
    refused(send(door, sign("POST", PATH, BODY, "jobs", SECRET, created=now - 70)), "too old")
    refused(send(door, sign("POST", PATH, BODY, "jobs", SECRET, created=now + 30)), "future")
    assert send(door, sign("POST", PATH, BODY, "jobs", SECRET, created=now - 30)).status_code == 200


def resigned(parameters: str, secret: bytes = SECRET) -> dict[str, str]:
    """A correct HMAC over parameters that are not of the profile."""
    import base64
    import hmac
    import re

    order = tuple(re.findall(r'"([^"]+)"', parameters.partition(")")[0]))
    path, _, query = PATH.partition("?")
    known = ("@method", "@path", "@query", "content-digest")
    base = signature_base(
        tuple(n for n in order if n in known), parameters, "POST", path, "?" + query, content_digest(BODY)
    )
    made = base64.b64encode(hmac.digest(secret, base, "sha256")).decode()
    return {"Content-Digest": content_digest(BODY), "Signature-Input": f"s={parameters}", "Signature": f"s=:{made}:"}


ALL = '("@method" "@path" "@query" "content-digest")'
REST = ';nonce="0123456789abcdef";keyid="jobs"'


@pytest.mark.parametrize(
    "parameters",
    [
        '("@method" "@path" "@query");created={now}' + REST,
        '("@method" "@path" "content-digest");created={now}' + REST,
        "();created={now}" + REST,
        '("@method" "@path" "@query" "content-digest" "@method");created={now}' + REST,
        '("@method" "@path" "@query" "content-digest" "@authority");created={now}' + REST,
        ALL + REST,
        ALL + ";created={now};created={now}" + REST,
        ALL + ';created={now};keyid="jobs"',
        ALL + ';created={now};nonce="0123456789abcdef"',
        ALL + ';created={now};nonce="short";keyid="jobs"',
        ALL + ';created={now};alg="rsa-pss-sha512"' + REST,
        ALL + ';created={now};tag="x"' + REST,
        ALL + ';created="{now}"' + REST,
        ALL + ";created=-1" + REST,
        ALL + ";created={now}" + REST + ';keyid="jobs"',
        ALL.replace(" ", "  ") + ";created={now}" + REST,
        ALL + ";expires=1;created={now}" + REST,
    ],
)
def test_other_profiles_are_refused(door: Guarded, parameters: str) -> None:
    headers = resigned(parameters.replace("{now}", str(int(time.time()))))
    assert send(door, headers).status_code == 401


def test_another_order_of_the_components_is_fine(door: Guarded) -> None:
    order = '("content-digest" "@query" "@method" "@path")'
    assert (
        send(door, resigned(f'{order};created={int(time.time())};keyid="jobs";nonce="order-0123456789"')).status_code
        == 200
    )


def test_half_a_signature_and_two_kinds_of_credentials_are_refused(door: Guarded) -> None:
    whole = sign("POST", PATH, BODY, "jobs", SECRET)
    for missing in ("Signature", "Content-Digest"):
        assert send(door, {name: value for name, value in whole.items() if name != missing}).status_code == 401
    assert send(door, {"Signature": whole["Signature"]}).status_code == 401
    refused(send(door, whole | {"Authorization": "Bearer a.b.c"}), "a token and a signature")
    doubled = [*whole.items(), ("Signature-Input", whole["Signature-Input"])]
    assert door.client.post(PATH, headers=doubled, content=BODY).status_code == 401


def test_replicas_share_the_nonces(redis_server: RedisServer, tmp_path: Path) -> None:
    with (
        guarded(config(), tmp_path, redis_server.url) as first,
        guarded(config(), tmp_path, redis_server.url) as second,
    ):
        headers = sign("POST", PATH, BODY, "jobs", SECRET)
        assert send(first, headers).status_code == 200
        refused(send(second, headers), "used before")
        redis_server.stop()
        during = sign("POST", PATH, BODY, "jobs", SECRET)
        assert send(first, during).status_code == 200, "no outage"
        refused(send(first, during), "used before")


@pytest.mark.parametrize(
    "keys",
    ["jobs", "jobs=short", "=" + "s" * 40, f"a={'s' * 40},a={'t' * 40}", f"a:root={'s' * 40}", f"a:public={'s' * 40}"],
)
def test_settings_that_cannot_work_are_refused_without_the_secret(keys: str) -> None:
    with pytest.raises(ConfigurationError) as refusal:
        internal_keys(keys)
    assert "s" * 40 not in str(refusal.value)
    assert "short" not in str(refusal.value)


def test_without_internal_keys_a_signature_says_nothing(tmp_path: Path) -> None:
    with guarded(config(""), tmp_path) as door:
        assert send(door, sign("POST", PATH, BODY, "jobs", SECRET)).status_code == 401
