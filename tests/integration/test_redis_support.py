"""The tests' own Redis: empty for each test, stopped and started midway."""

from __future__ import annotations

import pytest
import redis

from tests.support.redis_server import RedisServer


@pytest.mark.parametrize("_", range(2))
def test_each_test_finds_it_empty(redis_server: RedisServer, _: int) -> None:
    client = redis_server.client()
    assert client.dbsize() == 0
    client.set("left", "behind")


def test_it_can_be_stopped_and_started(redis_server: RedisServer) -> None:
    redis_server.client().set("a", "1")
    redis_server.stop()
    with pytest.raises(redis.ConnectionError):
        redis_server.client().ping()
    redis_server.start()
    assert redis_server.client().get("a") is None
