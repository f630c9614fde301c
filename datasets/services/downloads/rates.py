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


class Counter(threading.local):
    """Counts in the cache's server: one connection a thread, without the client's layers, for one command."""

    def __init__(self, url: str) -> None:
        pool = redis.ConnectionPool.from_url(
            url, socket_timeout=TIMEOUT, socket_connect_timeout=TIMEOUT, retry=Retry(NoBackoff(), 0)
        )
        self.connection = pool.make_connection()
        self.asleep_until = 0.0

    def add_one(self, name: str) -> int | None:
        """The count with this one, or None when it is not known."""
        if time.monotonic() < self.asleep_until:
            return None
        try:
            count = self._command("INCR", name)
            if count == 1:
                self._command("EXPIRE", name, 2 * WINDOW)
        except (redis.ConnectionError, redis.TimeoutError, redis.ResponseError, OSError) as error:
            self.connection.disconnect()
            self.asleep_until = time.monotonic() + REST_SECONDS
            log.warning("links are not counted for %s s: %s", REST_SECONDS, error)
            return None
        return count

    def _command(self, *words: str | int) -> int:
        self.connection.send_command(*words)
        return int(self.connection.read_response())


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
