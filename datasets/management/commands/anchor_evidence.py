"""Writes today's anchor of the chain of signatures now, rather than when the day's turn comes."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from datasets.models import EvidenceAnchor
from datasets.services.anchors import make_anchors, plan_again, plan_anchor

SECONDS = 60
LATER = 2


class Command(BaseCommand):
    help = (
        "Writes today's anchor of the chain of signatures into the bucket of evidence: how many records there are and "
        "the hash of the last one. Exit code 1: the chain does not hold, so nothing was written. Exit code 2: not yet."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--despite",
            metavar="NOTE",
            default="",
            help="Anchor a chain that lost records since the last anchor, as after a restore. The note, which is "
            "written into the anchor, says why. The chain itself must hold.",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        row = plan_anchor()
        if row.state == EvidenceAnchor.State.FAILED:
            row = plan_again(row, note=options["despite"])
        elif options["despite"]:
            raise CommandError(f"The {row} has not failed. The note is for one that has.")
        make_anchors(seconds=SECONDS)
        row.refresh_from_db()
        self.tell(row)

    def tell(self, row: EvidenceAnchor) -> None:
        if row.state == EvidenceAnchor.State.FAILED:
            raise CommandError(f"The {row} failed. {row.reason}", returncode=1)
        if row.state != EvidenceAnchor.State.DONE:
            why = f" {row.reason}" if row.reason else ""
            raise CommandError(f"The {row} is not written yet; a worker tries again.{why}", returncode=LATER)
        version = f", version {row.version_id}" if row.version_id else ""
        note = f" {row.reason}" if row.reason else ""
        self.stdout.write(f"{row.count:,} records, head {row.head}, in {row.key}{version}.{note}")
