"""Beat on every host, of which one sends: RedBeat, made to outlive the restarts of what it keeps its lock in."""

import logging
from datetime import timedelta
from typing import Any

from redbeat.schedulers import LUA_EXTEND_TO_SCRIPT, RedBeatScheduler, get_redis
from redis.exceptions import RedisError

logger = logging.getLogger(__name__)
# So little that nobody misses it is no mistake of a clock.
CLOCKS_DIFFER = timedelta(seconds=5)


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
            if not (self.written and self._is_kept()):
                self.setup_schedule()
            self._leave_the_future()
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

    def _is_kept(self) -> bool:
        """Whether Redis still has the schedule: it may have lost it in a restart so short that no connection failed."""
        return bool(get_redis(self.app).exists(self.app.redbeat_conf.schedule_key))

    def _leave_the_future(self) -> None:
        """What a beat whose clock was ahead has sent looks as if it had been sent later than now, and would not be sent
        again until then."""
        for name in self.app.redbeat_conf.schedule:
            try:
                entry = self.Entry.from_key(self.Entry.generate_key(self.app, name), app=self.app)
            except KeyError:
                # Lost in a restart; it is written again.
                continue
            if entry.last_run_at and entry.last_run_at > self.app.now() + CLOCKS_DIFFER:
                logger.warning("beat has set its clock back", extra={"entry": name})
                entry.reschedule()

    def _wait_for_redis(self, error: RedisError) -> None:
        self.lock, self.written = None, False
        logger.warning("beat waits", extra={"error": type(error).__name__})
