"""Beat on every host, of which one sends: RedBeat, made to outlive the restarts of what it keeps its lock in."""

import logging
from typing import Any

from redbeat.schedulers import LUA_EXTEND_TO_SCRIPT, RedBeatScheduler, get_redis
from redis.exceptions import RedisError

logger = logging.getLogger(__name__)


class PatientScheduler(RedBeatScheduler):
    """RedBeat ends with an exception when Redis does not answer, or has lost the lock or the schedule in a restart.
    This one sends nothing without the lock, and tries to get it, and to write the schedule, at its next turn."""

    written = False

    def setup_schedule(self) -> None:
        try:
            super().setup_schedule()
            self.written = True
        except RedisError as error:
            self._wait_for_redis(error)

    def tick(self, *args: Any, **kwargs: Any) -> float:
        try:
            if self.lock is None and not self._take_lock():
                return self.max_interval
            if not self.written:
                self.setup_schedule()
            return super().tick(*args, **kwargs)
        except RedisError as error:
            self._wait_for_redis(error)
            return self.max_interval

    def close(self) -> None:
        try:
            super().close()
        except RedisError:
            # The lock runs out by itself.
            self.lock = None

    def _take_lock(self) -> bool:
        """Become the one that sends, if no other beat is."""
        client = get_redis(self.app)
        lock = client.lock(self.lock_key, timeout=self.lock_timeout, blocking=False)
        # RedBeat's own: extends to a time, where redis-py would extend by one.
        lock.lua_extend = client.register_script(LUA_EXTEND_TO_SCRIPT)
        if lock.acquire():
            self.lock = lock
        return self.lock is not None

    def _wait_for_redis(self, error: RedisError) -> None:
        self.lock, self.written = None, False
        logger.warning("beat waits", extra={"error": type(error).__name__})
