"""Deletes again whom a restored backup brought back."""

import sys
from typing import Any

from django.core.management.base import BaseCommand

from datasets.services.deletions import replay_deletions


class Command(BaseCommand):
    help = (
        "Deletes again every account that was deleted after the backup was made. Run it after each restore, before "
        "the site opens; exit code 1 when one could not be deleted."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        replay = replay_deletions()
        self.stdout.write(
            f"{replay.repeated:,} deleted again, {replay.done_before:,} deleted already, "
            f"{replay.of_nobody:,} of people whom this database does not know."
        )
        if replay.not_done:
            self.stderr.write(f"{replay.not_done:,} not done: their rows say why. Run this again.")
            sys.exit(1)
