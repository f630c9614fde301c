"""The one pass over an archive, told on the terminal: neither the database nor the site's previews are touched."""

import json
import sys
import time
from contextlib import closing
from pathlib import Path
from typing import Any, BinaryIO, cast

from django.core.management.base import BaseCommand, CommandParser

from datasets.exceptions import NoRoomLeft
from datasets.kspace.archive import Ingested, Member, ingest
from datasets.kspace.commands import APART, explain
from datasets.kspace.folders import write_preview
from datasets.kspace.report import Wish
from datasets.kspace.sandbox import Sandbox
from datasets.kspace.wording import amount
from datasets.management.commands.render_preview import REFUSED, SCHEME, check_source
from datasets.storage import bucket

TELL_EVERY = 5.0


class Command(BaseCommand):
    help = (
        "Reads an archive once, from its first byte to its last, and tells its size and SHA-256, the SHA-256 of each "
        f"part, and of each file in it where it begins, its size and SHA-256, and what it is. {APART} Exit code 1: the "
        "archive is broken, or a volume in it cannot be read, and a sentence says why. Exit code 2: wrong usage."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "source",
            metavar="PATH_OR_URL",
            help=f".tar, .tar.gz, .tar.xz, .tar.zst or .h5: a path, or {SCHEME}BUCKET/KEY in the site's bucket",
        )
        parser.add_argument("--json", action="store_true", help="everything as one JSON object")
        parser.add_argument(
            "--out", type=Path, metavar="DIR", help="also make pictures: a folder for each volume, by its number"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        source: str = options["source"]
        check_source(source)
        told = Told(self, out=options["out"])
        try:
            with closing(opened(source)) as file, Sandbox() as sandbox:
                told.size = size_of(file)
                ingested = ingest(
                    file,
                    Path(source).name,
                    sandbox=sandbox,
                    wish=Wish(format="png") if options["out"] else None,
                    on_volume=told.take,
                    on_progress=told.progress,
                    hash_members=True,
                )
        except (*REFUSED, NoRoomLeft) as error:
            self.stderr.write(explain(source, error))
            sys.exit(1)
        self.stdout.write(told.as_json(ingested) if options["json"] else told.as_text(ingested))
        if told.failed:
            sys.exit(1)


def opened(source: str) -> BinaryIO:
    if source.startswith(SCHEME):
        return cast(BinaryIO, bucket().stream(source.removeprefix(SCHEME).partition("/")[2]))
    return Path(source).open("rb")


def size_of(file: BinaryIO) -> int:
    """0 where nobody knows, such as of a pipe."""
    if hasattr(file, "size"):
        return int(file.size)
    return Path(f"/dev/fd/{file.fileno()}").stat().st_size


class Told:
    """What is known so far."""

    def __init__(self, command: BaseCommand, *, out: Path | None) -> None:
        self.size = 0
        self._command = command
        self._out = out
        self._members: list[Member] = []
        self._began = self._last = time.monotonic()

    @property
    def failed(self) -> list[Member]:
        return [member for member in self._members if member.is_volume and member.reason]

    def take(self, member: Member) -> None:
        if self._out is not None and member.rendering is not None:
            number = sum(each.is_volume for each in self._members) + 1
            write_preview(member.rendering, self._out / f"{number:05}", {"path": member.path})
        self._members.append(member.without_pictures())
        if member.is_volume and member.reason:
            self._command.stderr.write(f"{member.path}: {member.reason}")

    def progress(self, bytes_read: int, volumes: int) -> None:
        now = time.monotonic()
        if now < self._last + TELL_EVERY:
            return
        self._last = now
        rest = (self.size - bytes_read) / (bytes_read or 1) * (now - self._began)
        of = f" of {amount(self.size)}, {rest:,.0f} s left" if self.size else ""
        self._command.stderr.write(f"{amount(bytes_read)}{of}; volumes: {volumes:,}")

    def as_json(self, ingested: Ingested) -> str:
        seconds = round(time.monotonic() - self._began, 3)
        volumes = [member.as_json() for member in self._members if member.is_volume]
        others = [member.as_json() for member in self._members if not member.is_volume]
        return json.dumps(ingested.as_json() | {"volumes": volumes, "others": others, "seconds": seconds}, indent=2)

    def as_text(self, ingested: Ingested) -> str:
        lines = [
            f"{ingested.size:,} bytes, SHA-256 {ingested.sha256}",
            f"{len(ingested.part_hashes):,} parts of {amount(ingested.part_size)}",
        ]
        for member in self._members:
            facts = f"{member.facts.acquisition or member.facts.layout}" if member.facts else member.reason
            lines.append(f"{member.offset:>15,} {member.size:>15,}  {member.path}  ({facts})")
        lines.append(f"Volumes: {ingested.volumes:,}, of which cannot be read: {len(self.failed):,}.")
        return "\n".join(lines)
