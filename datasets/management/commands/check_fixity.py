"""Asks the bucket whether it still has the objects of what was published."""

import time
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from accounts.models.work import Work
from datasets.models import Drift, FixityCheck, Release
from datasets.services import fixity

# Between batches, so that the bucket is not asked faster than by the workers.
PAUSE = 10.0
DRIFTED, DOWN = 1, 2


class Command(BaseCommand):
    help = (
        "Asks the bucket for every key of the releases that are published or withdrawn, and says which objects are not "
        "what was published. Called again, it goes on where it ended. Exit code 1: some are not. Exit code 2: the "
        "bucket does not answer, or a check failed; try again."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--release", metavar="DATASET/VERSION", help="of this release alone, such as knee/2.1")
        parser.add_argument("--pause", metavar="SECONDS", type=float, default=PAUSE, help="between batches of keys")

    def handle(self, *args: Any, **options: Any) -> None:
        releases = self.releases(options["release"])
        refused = [
            f"{release}: {fixity.REFUSES_ALL}"
            for release in releases
            if not self.look(fixity.plan_check(release), pause=options["pause"])
        ]
        drifts = Drift.objects.lasting().filter(archive__release__in=releases).select_related("archive")
        for drift in drifts.defer("archive__part_hashes").order_by("archive"):
            said = "; links still deliver what was published" if drift.is_delivered else ""
            self.say(f"{drift}{said} ({drift.archive.key})")
        if drifts:
            number = len(drifts)
            raise CommandError(
                f"{number:,} object{' is' if number == 1 else 's are'} not as published.", returncode=DRIFTED
            )
        if refused:
            raise CommandError("\n".join(refused), returncode=DOWN)
        self.say("Every object is as it was published.")

    def releases(self, named: str | None) -> list[Release]:
        followed = list(fixity.followed().select_related("dataset").defer("notes").order_by("pk"))
        if named is None:
            return followed
        found = [release for release in followed if f"{release.dataset.slug}/{release.version}" == named]
        if not found:
            raise CommandError(f"No release {named} is published. Write it as DATASET/VERSION, such as knee/2.1.")
        return found

    def look(self, check: FixityCheck, *, pause: float) -> bool:
        """Until it is over, by this process or by a worker; False when the bucket refuses to tell of its keys, which
        says nothing of other releases."""
        rows = FixityCheck.objects.filter(pk=check.pk)
        while check.state in Work.OPEN:
            fixity.check_next_batch(rows)
            check = rows.select_related("release__dataset").get()
            if check.state == Work.State.WAITING and check.reason == fixity.REFUSES_ALL:
                return False
            if check.state == Work.State.WAITING and check.reason:
                raise CommandError(check.reason, returncode=DOWN)
            if check.state in Work.OPEN:
                time.sleep(pause)
        self.say(f"{check.release}: {check.checked:,} archives looked at, {check.drifted:,} not as published")
        if check.state == Work.State.FAILED:
            raise CommandError(check.reason, returncode=DOWN)
        return True

    def say(self, line: str) -> None:
        self.stdout.write(line)
        self.stdout.flush()
