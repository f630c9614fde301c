"""Checks the hash chain of signatures from the first to the last, and the stored receipts."""

import json
import sys
import time
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from accounts.exceptions import AnchorUnreadable
from accounts.services.anchors import LARGEST, Anchor, read_anchor
from accounts.services.evidence import BadRecord, Chain, examine_chain, verify_documents

# What takes longer says from time to time how far it is.
PATIENCE_SECONDS = 5
UNUSABLE = 2


class Command(BaseCommand):
    help = (
        "Checks the hash chain of signatures and the stored receipts, and names the first bad record (exit code 1). "
        "Exit code 2: FILE cannot be used."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--json", action="store_true", help="One JSON object instead of a sentence.")
        parser.add_argument(
            "--head",
            metavar="FILE",
            help="An anchor as it lies in the bucket (- for standard input): the chain must still go through it.",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        anchor = given_anchor(options["head"]) if options["head"] else None
        self.said_at = time.monotonic()
        chain = examine_chain(anchor=anchor, progress=self.say)
        bad = chain.bad or verify_documents(progress=self.say)
        say = as_json if options["json"] else as_sentence
        self.stdout.write(say(chain, bad, anchor))
        if bad:
            sys.exit(1)

    def say(self, count: int) -> None:
        if time.monotonic() - self.said_at >= PATIENCE_SECONDS:
            self.said_at = time.monotonic()
            self.stderr.write(f"{count:,} read so far")


def given_anchor(name: str) -> Anchor:
    try:
        if name == "-":
            return read_anchor(sys.stdin.buffer.read(LARGEST))
        with Path(name).open("rb") as file:
            return read_anchor(file.read(LARGEST))
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise CommandError(f"{name} cannot be read: {reason}.", returncode=UNUSABLE) from None
    except AnchorUnreadable as why:
        raise CommandError(f"{name} is no anchor of this chain. {why}", returncode=UNUSABLE) from None


def as_json(chain: Chain, bad: BadRecord | None, anchor: Anchor | None) -> str:
    said = {
        "whole": bad is None,
        "records": chain.count,
        "head": chain.head,
        "anchored": anchor.count if anchor else None,
        "first_bad": {"signature": bad.pk, "reason": bad.reason} if bad else None,
    }
    return json.dumps(said)


def as_sentence(chain: Chain, bad: BadRecord | None, anchor: Anchor | None) -> str:
    if bad:
        name = "The chain" if bad.pk is None else f"Signature {bad.pk}"
        where = f" Before it, {chain.count:,} hold." if bad is chain.bad and bad.pk else ""
        return f"{name} does not hold: {bad.reason}.{where}"
    through = f" It goes through the anchor of {anchor.moment:%Y-%m-%d} at record {anchor.count:,}." if anchor else ""
    return f"The chain is whole: {chain.count:,} signatures, the last one's hash is {chain.head}.{through}"
