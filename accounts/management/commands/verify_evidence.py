"""Checks the hash chain of signatures, from the first to the last."""

import json
import sys
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from accounts.services.evidence import Chain, examine_chain


class Command(BaseCommand):
    help = "Checks the hash chain of signatures and names the first bad record (exit code 1)."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--json", action="store_true", help="One JSON object instead of a sentence.")

    def handle(self, *args: Any, **options: Any) -> None:
        chain = examine_chain()
        self.stdout.write(as_json(chain) if options["json"] else as_sentence(chain))
        if chain.bad:
            sys.exit(1)


def as_json(chain: Chain) -> str:
    bad = {"signature": chain.bad.pk, "reason": chain.bad.reason} if chain.bad else None
    return json.dumps({"whole": bad is None, "records": chain.count, "head": chain.head, "first_bad": bad})


def as_sentence(chain: Chain) -> str:
    if chain.bad:
        return f"Signature {chain.bad.pk} does not hold: {chain.bad.reason}. Before it, {chain.count:,} hold."
    return f"The chain is whole: {chain.count:,} signatures, the last one's hash is {chain.head}"
