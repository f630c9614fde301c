"""The mails in the sink's folder, each read once, found by who got them."""

import threading
from collections import Counter, defaultdict
from pathlib import Path
from types import TracebackType
from typing import Self

from portal.embedded import mailbox
from portal.embedded.mailbox import Mail

LOOK_EVERY_SECONDS = 0.5


class Postbox:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._seen: set[str] = set()
        self._mails: dict[str, list[Mail]] = defaultdict(list)
        self._deliveries: Counter[str] = Counter()
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="postbox", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        self._thread.join()

    def mails(self, to: str, subject: str) -> list[Mail]:
        """The mails to an address whose subject has these words, the newest last."""
        with self._lock:
            return [mail for mail in self._mails[to] if subject in mail.subject]

    def deliveries(self) -> Counter[str]:
        """How often each mail was delivered, by Message-ID."""
        self._look()
        with self._lock:
            return Counter(self._deliveries)

    def _watch(self) -> None:
        while not self._ended.wait(LOOK_EVERY_SECONDS):
            self._look()

    def _look(self) -> None:
        for name in reversed(mailbox.names(self.folder)):
            if name not in self._seen:
                mail = mailbox.read(self.folder, name)
                identity = next(value for header, value in mail.headers if header.lower() == "message-id")
                with self._lock:
                    if name not in self._seen:
                        self._seen.add(name)
                        self._deliveries[identity.strip()] += 1
                        for address in mail.recipients:
                            self._mails[address].append(mail)
