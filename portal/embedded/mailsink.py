"""The mail server of the demo and the tests: takes every mail, delivers none, and shows them on a page.

    python -m portal.embedded.mailsink --folder D/mail --smtp-port 2525 --page-port 8025

SIGTERM refuses new sessions and lets those that are open finish the mail that they are sending.
"""

import argparse
import asyncio
import errno
import logging
import signal
import sys
import threading
from pathlib import Path
from typing import Any

from aiosmtpd.smtp import SMTP, Envelope, Session

from portal.embedded import mailbox
from portal.embedded.mailpage import MailPageServer
from portal.embedded.state import LOOPBACK

# More than any mail of the site, attachments included; Amazon's limit is 40 MB.
MAIL_BYTES = 20_000_000
# How long an open session may take to finish after SIGTERM.
FINISH_SECONDS = 8
FULL = (errno.ENOSPC, errno.EDQUOT)
logger = logging.getLogger("mailsink")


class Keeper:
    """Stores what a session delivers. The client's 250 comes after the file is in place."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        content = envelope.content if isinstance(envelope.content, bytes) else b""
        sender, recipients = envelope.mail_from or "", envelope.rcpt_tos
        try:
            path = mailbox.store(self.folder, sender=sender, recipients=recipients, content=content)
        except OSError as error:
            logger.error("not stored: %s", error)
            if error.errno in FULL:
                return "452 There is no room for the mail; try again later"
            return "451 The mail could not be stored; try again later"
        logger.info("stored %s", path.name)
        return f"250 OK {path.stem}"


class FinishingSMTP(SMTP):
    """A session that the sink can count, and that ends at its next command once the sink is closing."""

    def __init__(self, *args: Any, sink: "Sink", **kwargs: Any) -> None:
        self.sink = sink
        super().__init__(*args, **kwargs)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.sink.sessions.add(self)
        super().connection_made(transport)

    def connection_lost(self, error: Exception | None) -> None:
        super().connection_lost(error)
        self.sink.sessions.discard(self)

    def is_idle(self) -> bool:
        """No mail under way: nothing has been said since the last one was stored."""
        return self.envelope is None or not self.envelope.mail_from


class Sink:
    """The SMTP server and its page."""

    def __init__(self, folder: Path, smtp_port: int, page_port: int) -> None:
        self.folder = folder
        self.smtp_port = smtp_port
        self.page_port = page_port
        self.sessions: set[FinishingSMTP] = set()

    def session(self) -> FinishingSMTP:
        return FinishingSMTP(
            Keeper(self.folder), sink=self, hostname="localhost", data_size_limit=MAIL_BYTES, enable_SMTPUTF8=True
        )

    async def serve(self) -> None:
        loop = asyncio.get_running_loop()
        closing = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, closing.set)
        page = MailPageServer((LOOPBACK, self.page_port), self.folder)
        threading.Thread(target=page.serve_forever, daemon=True).start()
        server = await loop.create_server(self.session, LOOPBACK, self.smtp_port)
        logger.info("ready on ports %s and %s", self.smtp_port, self.page_port)
        await closing.wait()
        server.close()
        await asyncio.to_thread(page.shutdown)
        await self._finish()

    async def _finish(self) -> None:
        deadline = asyncio.get_running_loop().time() + FINISH_SECONDS
        while self.sessions and asyncio.get_running_loop().time() < deadline:
            for session in list(self.sessions):
                if session.is_idle() and isinstance(session.transport, asyncio.WriteTransport):
                    session.transport.write(b"421 The mail sink is stopping\r\n")
                    session.transport.close()
            await asyncio.sleep(0.05)
        logger.info("ended with %s open sessions", len(self.sessions))


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m portal.embedded.mailsink", description=__doc__)
    parser.add_argument("--folder", type=Path, required=True, help="where each delivery becomes an .eml file")
    parser.add_argument("--smtp-port", type=int, required=True)
    parser.add_argument("--page-port", type=int, required=True)
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO, stream=sys.stdout, format="%(asctime)s %(message)s")
    logging.getLogger("mail.log").setLevel(logging.ERROR)
    options.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    asyncio.run(Sink(options.folder, options.smtp_port, options.page_port).serve())


if __name__ == "__main__":
    main()
