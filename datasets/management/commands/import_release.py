"""Imports a release from a folder of the site's bucket, and publishes it when that is asked for."""

import time
from pathlib import Path
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError, CommandParser

from accounts.models import User
from datasets.exceptions import ListChanged, MoveNotAllowed, PartDown, SourceRefused
from datasets.models import Archive, Dataset, Ingest, Release
from datasets.models.catalog import version_validator
from datasets.services import releases
from datasets.services.releases import Ingester, Proposal
from datasets.services.releases.moves import in_the_name_of
from datasets.templatetags.house import duration, size1

REFUSED = (SourceRefused, ListChanged, MoveNotAllowed)
# For so long archives are read before anybody looks how all of them stand.
SECONDS = 1.0
PAUSE = 1.0
DOWN = 2


class Command(BaseCommand):
    help = (
        "Registers what lies in a folder of the site's bucket as archives of a release, reads each of them once, and "
        "says how far it is. Workers that wait for archives help. Again, it goes on where it ended. Exit code 1: it "
        "cannot be imported or published. Exit code 2: the bucket does not answer; try again."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("dataset", metavar="DATASET", help="its name in addresses, such as knee")
        parser.add_argument("version", metavar="VERSION", help="such as 2.1")
        parser.add_argument("source", metavar="s3://BUCKET/PREFIX", help="the folder")
        parser.add_argument("--by", metavar="EMAIL", help="the maintainer in whose name it stands in the history")
        parser.add_argument("--notes", metavar="FILE", type=Path, help="Markdown: what changed since the one before")
        parser.add_argument("--publish", action="store_true", help="publish it when nothing stands against that")

    def handle(self, *args: Any, **options: Any) -> None:
        by = self.maintainer(options["by"])
        try:
            with in_the_name_of(by):
                release = self.release(options["dataset"], options["version"], options["notes"])
            if release.status in (Release.Status.DRAFT, Release.Status.FAILED):
                self.register(release, releases.propose(release.dataset, options["source"], release), by)
            self.read(release)
            if options["publish"]:
                self.say(f"{releases.publish_release(release, by=by)} is published.")
        except REFUSED as error:
            raise CommandError(str(error)) from error
        except PartDown as error:
            raise CommandError(str(error), returncode=DOWN) from error

    def maintainer(self, email: str | None) -> User | None:
        found = User.objects.filter(email__iexact=email, is_staff=True, is_active=True).first() if email else None
        if email and found is None:
            raise CommandError(f"{email} is no maintainer of this site.")
        return found

    def release(self, slug: str, version: str, notes: Path | None) -> Release:
        dataset = Dataset.objects.filter(slug=slug).first()
        if dataset is None:
            raise CommandError(f"There is no dataset {slug}. Add it in the admin first.")
        try:
            version_validator(version)
        except ValidationError as error:
            raise CommandError(f"{version} is no version. {' '.join(error.messages)}") from error
        release, _created = Release.objects.get_or_create(dataset=dataset, version=version)
        if notes is not None:
            drafts = Release.objects.filter(pk=release.pk, status__in=(Release.Status.DRAFT, Release.Status.FAILED))
            if not drafts.update(notes=notes.read_text()):
                raise CommandError(f"{release} is {release.status}: its notes stay as they are.")
        return release

    def register(self, release: Release, proposal: Proposal, by: User | None) -> None:
        for row in proposal.rows:
            remarks = "; ".join([*(f"left out: {fault}" for fault in row.faults), *row.oddities])
            self.say(f"{row.standing:8} {size1(row.size):>10}  {row.key}{f'  ({remarks})' if remarks else ''}")
        for archive in proposal.gone:
            self.say(f"gone     {size1(archive.size):>10}  {archive.name}, which {proposal.former} has")
        new = releases.register(release, proposal, [row.key for row in proposal.usable], by=by)
        self.say(f"{len(proposal.usable):,} archives, {new:,} of them to be read anew.")
        releases.check(release, by=by)

    def read(self, release: Release) -> None:
        """Until no archive is left to be read, here or by another worker."""
        ingester = Ingester(tell=self.tell)
        try:
            while self.is_open(release):
                if not releases.ingest_due_archives(seconds=SECONDS, ingester=ingester):
                    self.tell_all(release)
                    time.sleep(PAUSE)
        finally:
            ingester.close()
        self.tell_all(release)
        release.refresh_from_db()
        for archive in release.archives.failed():
            self.say(f"{archive.name}: {archive.reason}")
        if release.status == Release.Status.FAILED:
            raise CommandError(f"{release}: {release.reason}")

    def is_open(self, release: Release) -> bool:
        rows = Ingest.objects.filter(archive__release=release)
        return rows.filter(state__in=Ingest.OPEN).exists()

    def tell(self, archive: Archive, bytes_read: int, volumes: int) -> None:
        self.say(f"{archive.name}: {size1(bytes_read)} of {size1(archive.size)}, {volumes:,} volumes")

    def tell_all(self, release: Release) -> None:
        progress = releases.progress_of(release)
        left = f", {duration(progress.remaining)} left" if progress.remaining else ""
        self.say(
            f"{size1(progress.bytes_read)} of {size1(progress.size)}: {progress.verified:,} verified, "
            f"{progress.being_read:,} being read, {progress.waiting:,} waiting, {progress.failed:,} failed{left}"
        )

    def say(self, line: str) -> None:
        self.stdout.write(line)
        self.stdout.flush()
