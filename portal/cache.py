"""The shared cache, which may go away without taking a page with it.

What is kept in it counts requests (the limits of sign-up, sign-in and codes). While the server is away each process
counts for itself, so the limits stay, only not shared. Nothing is kept there that would be wrong when it comes back:
sessions are in the database.
"""

import logging
from collections.abc import Callable, Iterable
from typing import Any

from django.core.cache.backends.base import DEFAULT_TIMEOUT
from django.core.cache.backends.locmem import LocMemCache
from django.core.cache.backends.redis import RedisCache
from redis.exceptions import RedisError

from accounts.rest import Rest

logger = logging.getLogger(__name__)
# Of each process, like what they stand for.
STAND_IN = "stand-in"
rest = Rest()


class PatientRedisCache(RedisCache):
    """Redis, and this process's own memory while Redis does not answer, which is remembered for some seconds: a page
    waits for it once at the most."""

    def __init__(self, server: str, params: dict[str, Any]) -> None:
        super().__init__(server, params)
        self.stand_in = LocMemCache(STAND_IN, {"TIMEOUT": self.default_timeout, "OPTIONS": {"MAX_ENTRIES": 10_000}})

    def add(self, key: Any, value: Any, timeout: Any = DEFAULT_TIMEOUT, version: int | None = None) -> bool:
        return self._ask(super().add, self.stand_in.add, key, value, timeout, version)

    def get(self, key: Any, default: Any = None, version: int | None = None) -> Any:
        return self._ask(super().get, self.stand_in.get, key, default, version)

    def set(self, key: Any, value: Any, timeout: Any = DEFAULT_TIMEOUT, version: int | None = None) -> None:
        self._ask(super().set, self.stand_in.set, key, value, timeout, version)

    def touch(self, key: Any, timeout: Any = DEFAULT_TIMEOUT, version: int | None = None) -> bool:
        return self._ask(super().touch, self.stand_in.touch, key, timeout, version)

    def delete(self, key: Any, version: int | None = None) -> bool:
        return self._ask(super().delete, self.stand_in.delete, key, version)

    def has_key(self, key: Any, version: int | None = None) -> bool:
        return self._ask(super().has_key, self.stand_in.has_key, key, version)

    def incr(self, key: Any, delta: int = 1, version: int | None = None) -> int:
        return self._ask(super().incr, self.stand_in.incr, key, delta, version)

    def get_many(self, keys: Iterable[Any], version: int | None = None) -> dict[Any, Any]:
        return self._ask(super().get_many, self.stand_in.get_many, keys, version)

    def set_many(self, data: Any, timeout: Any = DEFAULT_TIMEOUT, version: int | None = None) -> list[Any]:
        return self._ask(super().set_many, self.stand_in.set_many, data, timeout, version)

    def delete_many(self, keys: Iterable[Any], version: int | None = None) -> None:
        self._ask(super().delete_many, self.stand_in.delete_many, keys, version)

    def clear(self) -> None:
        self.stand_in.clear()
        self._ask(super().clear, self.stand_in.clear)

    def _ask(self, server: Callable[..., Any], stand_in: Callable[..., Any], *arguments: Any) -> Any:
        if rest.is_over():
            try:
                answer = server(*arguments)
            except (RedisError, OSError) as error:
                rest.begin()
                logger.warning("the cache does not answer", extra={"error": type(error).__name__})
            else:
                rest.end()
                return answer
        return stand_in(*arguments)
