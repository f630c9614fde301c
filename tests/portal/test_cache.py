"""The shared cache while its server is away, and when it comes back."""

import time
from typing import Any

import pytest
from django.core.cache import cache, caches
from django.core.cache.backends.redis import RedisCache
from redis.exceptions import ConnectionError as CacheGone

from portal.cache import rest


class Away:
    """A server that does not answer while `away`, and counts who asks."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.away = True
        self.asked = 0
        for name in ("get", "set", "add", "incr", "delete"):
            monkeypatch.setattr(RedisCache, name, self.asking(getattr(RedisCache, name)))

    def asking(self, method: Any) -> Any:
        def ask(*arguments: Any, **options: Any) -> Any:
            self.asked += 1
            if self.away:
                raise CacheGone
            return method(*arguments, **options)

        return ask


def test_process_counts_by_itself_while_the_server_is_away_and_asks_it_once(monkeypatch: pytest.MonkeyPatch) -> None:
    server = Away(monkeypatch)
    assert cache.add("limit", 1)
    assert not cache.add("limit", 1)
    assert [cache.incr("limit") for _each in range(3)] == [2, 3, 4]
    assert cache.get("limit") == 4
    assert cache.delete("limit")
    assert cache.get("limit", "none") == "none"
    assert server.asked == 1


def test_server_that_is_back_is_used_again_after_the_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    server = Away(monkeypatch)
    cache.set("who", "the process")
    server.away = False
    assert cache.get("who") == "the process"
    # The rest is over.
    monkeypatch.setattr(rest, "_until", time.monotonic() - 1)
    assert cache.get("who") is None
    cache.set("who", "the server")
    assert caches["server"].get("who") == "the server"


def test_one_caller_tries_while_the_others_rest_on(monkeypatch: pytest.MonkeyPatch) -> None:
    rest.begin()
    monkeypatch.setattr(rest, "_until", time.monotonic() - 1)
    assert [rest.is_over() for _caller in range(3)] == [True, False, False]
    rest.end()
    assert rest.is_over()


def test_mistakes_of_ours_are_not_taken_for_an_absence() -> None:
    with pytest.raises(ValueError, match="nothing"):
        cache.incr("nothing")
