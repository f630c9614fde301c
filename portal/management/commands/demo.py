"""The whole site on one machine, with one command."""

import argparse
import shutil
import signal
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from allauth.mfa.totp.internal.auth import format_hotp_value, hotp_value
from django.core.management import BaseCommand, CommandError

from portal.embedded import application
from portal.embedded.errors import StackError
from portal.embedded.process import interrupt
from portal.embedded.stack import Stack
from portal.management.commands.prepare_demo import MAINTAINER

TOTP_SECONDS = 30
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Command(BaseCommand):
    help = (
        "Run the whole site on this machine: PostgreSQL, Valkey, an S3 server, a mail sink, two workers, their clock "
        "and the web server, with sample data. All of it listens on 127.0.0.1 alone and keeps its data in one folder; "
        "a second run continues with that data. Ctrl-C stops everything. To begin anew, remove the folder."
    )
    requires_system_checks = ()

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--port", type=int, default=8000, help="the site's port on 127.0.0.1 (default: 8000)")
        parser.add_argument(
            "--dir",
            type=Path,
            default=Path(".demo"),
            help="the folder for data, mails (mail/), logs (log/), ports and secrets (stack.json) (default: .demo)",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        self.began = time.monotonic()
        # SIGINT too: a shell starts what it puts in the background with that ignored.
        for number in SIGNALS:
            signal.signal(number, interrupt)
        stack = Stack(options["dir"], site_port=options["port"], say=self.step)
        try:
            stack.take()
        except StackError as error:
            raise CommandError(str(error)) from None
        try:
            self.start(stack)
            self.stdout.write(summary(stack))
            self.stdout.flush()
            self.wait(stack)
        except StackError as error:
            raise CommandError(str(error)) from None
        except KeyboardInterrupt:
            self.step("Stopping")
        finally:
            self.stop(stack)

    def start(self, stack: Stack) -> None:
        stack.start(self.step)
        environment = stack.environment()
        self.prepare(stack)
        port = stack.site_port or 8000
        workers = (application.worker(environment), application.renderer(environment))
        stack.run(*workers, application.beat(environment), application.web(environment, port))
        self.step("The workers, their clock and the web server answer")

    def prepare(self, stack: Stack) -> None:
        """Migrations, static files, account and samples, in a process of their own, the only one that is given the
        name of the database's owner."""
        # What a stop in the middle leaves is removed here at the next start.
        scratch = stack.path / "tmp"
        shutil.rmtree(scratch, ignore_errors=True)
        scratch.mkdir(mode=0o700)
        application.run_command(
            "prepare_demo",
            "--dir",
            str(stack.path),
            environment={**stack.owners_environment(), "TMPDIR": str(scratch)},
            log=stack.path / "log" / "prepare.log",
            progress=self.step,
        )
        shutil.rmtree(scratch)

    def wait(self, stack: Stack) -> None:
        """Until a signal comes. At a terminal, Enter prints the code of the moment."""
        # A demo in the background may not read from the terminal; the read then fails instead of halting the demo.
        signal.signal(signal.SIGTTIN, signal.SIG_IGN)
        with suppress(OSError):
            while sys.stdin.isatty() and sys.stdin.readline():
                self.stdout.write(code_of_the_moment(stack))
                self.stdout.flush()
        while True:
            signal.pause()

    def stop(self, stack: Stack) -> None:
        # The order is given; a second Ctrl-C would only leave work half done.
        for number in SIGNALS:
            signal.signal(number, signal.SIG_IGN)
        stack.stop()
        self.step("Everything is stopped")

    def step(self, sentence: str) -> None:
        """A line with the seconds since the start. Also called from the thread that watches the parts."""
        self.stdout.write(f"{time.monotonic() - self.began:7.1f} s  {sentence}")
        self.stdout.flush()


def code_of_the_moment(stack: Stack) -> str:
    now = int(time.time())
    code = format_hotp_value(hotp_value(stack.secrets["maintainer_totp"], now // TOTP_SECONDS))
    return f"{code} is the code for the next {TOTP_SECONDS - now % TOTP_SECONDS} seconds"


def summary(stack: Stack) -> str:
    return f"""
The site is ready:  {stack.site_url}/

  Maintainer        {MAINTAINER}
  Password          {stack.secrets["maintainer_password"]}
  Second factor     TOTP secret {stack.secrets["maintainer_totp"]}, for an authenticator app
                    {code_of_the_moment(stack)}; Enter prints the next
  Admin             {stack.site_url}/admin/
  Mails             {stack.mail_page_url}
                    and as files in {stack.mail_folder}
  Logs              {stack.path / "log"}

Ctrl-C stops all of it.
"""
