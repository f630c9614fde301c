"""A mail server that answers as a test tells it, and may be stopped, started and made to hang."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from aiosmtpd.smtp import SMTP, Envelope, Session

from portal.embedded.state import LOOPBACK, choose_ports


class MailServer:
    """Replies are given by what the client does: connect, RCPT, DATA (after the last byte). None is 250."""

    def __init__(self) -> None:
        self.port = choose_ports(("smtp",), {})["smtp"]
        self.delivered: list[Envelope] = []
        self.sessions = 0
        self.rcpt: str | None = None
        self.mail: str | None = None
        self.data: str | None = None
        # While this is not set, a mail that has arrived whole waits for its 250.
        self.answering = threading.Event()
        self.answering.set()
        self.arrived = threading.Event()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._server: asyncio.Server | None = None
        self._transports: set[asyncio.Transport] = set()

    # What aiosmtpd asks ---------------------------------------------------------------------------------

    async def handle_MAIL(  # noqa: N802
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        envelope.mail_from = address
        return self.mail or "250 OK"

    async def handle_RCPT(  # noqa: N802
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if self.rcpt is None:
            envelope.rcpt_tos.append(address)
        return self.rcpt or "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        self.arrived.set()
        await asyncio.to_thread(self.answering.wait, 30)
        if self.data is None:
            self.delivered.append(envelope)
        return self.data or "250 OK"

    # What tests do --------------------------------------------------------------------------------------

    def start(self) -> None:
        self._do(self._listen())

    def stop(self) -> None:
        """Nobody listens any more, and open sessions are cut."""
        self._do(self._close())

    def close(self) -> None:
        self.stop()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def cut(self) -> None:
        """Drop the sessions that are open, as a server does with idle ones."""
        self._do(self._cut())

    def _do(self, what: Any) -> None:
        asyncio.run_coroutine_threadsafe(what, self._loop).result(timeout=10)

    async def _listen(self) -> None:
        self._server = await self._loop.create_server(self._session, LOOPBACK, self.port)

    async def _close(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None
        await self._cut()

    async def _cut(self) -> None:
        for transport in list(self._transports):
            transport.abort()
        # The sessions' own tasks end at their next turn.
        await asyncio.sleep(0.05)

    def _session(self) -> SMTP:
        self.sessions += 1
        return Tracked(self, hostname="mail.example.org", loop=self._loop, transports=self._transports)


class Tracked(SMTP):
    def __init__(self, *args: Any, transports: set[asyncio.Transport], **kwargs: Any) -> None:
        self._mine = transports
        super().__init__(*args, **kwargs)

    def connection_made(self, transport: Any) -> None:
        self._mine.add(transport)
        self._own = transport
        super().connection_made(transport)

    def connection_lost(self, error: Exception | None) -> None:
        self._mine.discard(self._own)
        with suppress(asyncio.CancelledError):
            super().connection_lost(error)


@contextmanager
def mail_server() -> Iterator[MailServer]:
    server = MailServer()
    server.start()
    try:
        yield server
    finally:
        server.close()
