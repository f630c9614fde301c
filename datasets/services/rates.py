"""How often a link may be asked: one counter a link and minute, in the cache's server.

The limit guards the database against a command that runs wild, so it fails open: while the cache is away, downloads
go on without it.
"""

import logging
import threading
import time
from functools import lru_cache

import redis
from django.conf import settings
from redis.backoff import NoBackoff
from redis.retry import Retry

from datasets.exceptions import TooManyRequests

log = logging.getLogger(__name__)
WINDOW = 60
# How long a cache that did not answer is left alone, so that not every download waits for it.
REST_SECONDS = 5.0
TIMEOUT = 0.25


class Counter:
    """Counts in the cache's server, which threads may share."""

    def __init__(self, url: str) -> None:
        self.client = redis.Redis.from_url(
            url, socket_timeout=TIMEOUT, socket_connect_timeout=TIMEOUT, retry=Retry(NoBackoff(), 0)
        )
        self.asleep_until = 0.0
        self.lock = threading.Lock()

    def add_one(self, name: str) -> int | None:
        """The count with this one, or None when it is not known."""
        if time.monotonic() < self.asleep_until:
            return None
        try:
            count = int(self.client.incr(name))
            if count == 1:
                self.client.expire(name, 2 * WINDOW)
        except (redis.ConnectionError, redis.TimeoutError, redis.ResponseError) as error:
            self._sleep(error)
            return None
        return count

    def _sleep(self, error: redis.RedisError) -> None:
        with self.lock:
            if time.monotonic() >= self.asleep_until:
                log.warning("links are not counted for %s s: %s", REST_SECONDS, error)
            self.asleep_until = time.monotonic() + REST_SECONDS


@lru_cache(maxsize=2)
def counter(url: str) -> Counter:
    return Counter(url)


def require_rate(nonce: int) -> None:
    """Return unless this link was asked more than LINK_RATE times in this minute."""
    minute, second = divmod(int(time.time()), WINDOW)
    count = counter(settings.REDIS_URL).add_one(f"link-rate:{nonce}:{minute}")
    if count is not None and count > settings.LINK_RATE:
        wait = WINDOW - second
        raise TooManyRequests(
            f"This link was asked more than {settings.LINK_RATE:,} times within a minute. "
            f"Run the same command again in {wait} seconds: it will resume.",
            retry_after=wait,
        )
