"""Writes the records of all signatures as they were hashed, for whoever wants to check them without this site."""

import sys
from typing import Any

from django.core.management.base import BaseCommand

from accounts.services.evidence import records


class Command(BaseCommand):
    help = (
        "Writes the record of every signature to standard output, one a line and as it was hashed: the SHA-256 of a "
        "line is the hash that the next one names. There are no personal values in it."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        for record in records():
            sys.stdout.buffer.write(record + b"\n")
        sys.stdout.flush()
