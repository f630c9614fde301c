"""Renders previews of volumes into a folder; neither the database nor the site's own previews are touched."""

import sys
from itertools import count
from pathlib import Path
from typing import Any, BinaryIO, cast

from django.core.management.base import BaseCommand, CommandError, CommandParser

from datasets.exceptions import BucketDown, ObjectChanged, ObjectMissing
from datasets.kspace.commands import APART, EXIT_CODES, WRITTEN, add_options, explain
from datasets.kspace.errors import KSpaceError
from datasets.kspace.folders import write_preview
from datasets.kspace.report import Wish
from datasets.kspace.sandbox import Sandbox, SandboxError
from datasets.storage import bucket

SCHEME = "s3://"
REFUSED = (KSpaceError, SandboxError, OSError, BucketDown, ObjectChanged, ObjectMissing)


class Command(BaseCommand):
    help = (
        f"Makes pictures of HDF5 volumes. Into DIR, or into a folder of it for each of several volumes, go {WRITTEN}. "
        f"Of a volume in the bucket only the header and one slice are fetched. {APART} {EXIT_CODES}"
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "sources",
            nargs="+",
            metavar="SOURCE",
            help=f"a volume in a layout of fastMRI's, or ISMRMRD: a path, or {SCHEME}BUCKET/KEY in the site's bucket",
        )
        add_options(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        sources: list[str] = options["sources"]
        for source in sources:
            check_source(source)
        wish = Wish(slices=options["slice"], acceleration=options["acceleration"], format="png")
        folders = name_folders(sources, options["out"])
        failed = False
        with Sandbox() as sandbox:
            for number, (source, folder) in enumerate(folders.items(), 1):
                if len(folders) > 1:
                    self.stderr.write(f"{number} of {len(folders)}: {source}")
                try:
                    render(sandbox, source, wish, folder)
                except REFUSED as error:
                    self.stderr.write(explain(source, error))
                    failed = True
        if failed:
            sys.exit(1)


def check_source(source: str) -> None:
    """Refuses what is no object of the site's bucket before anything is rendered."""
    name, _, key = source.removeprefix(SCHEME).partition("/")
    if source.startswith(SCHEME) and not (key and name == bucket().name):
        raise CommandError(f"{source} is no object of the site's bucket, {SCHEME}{bucket().name}/KEY.", returncode=2)


def name_folders(sources: list[str], out: Path) -> dict[str, Path]:
    """Where the preview of each source goes: several have a folder each, named after the file."""
    if len(sources) == 1:
        return {sources[0]: out}
    folders: dict[str, Path] = {}
    for source in sources:
        # A key may end in anything, such as "/..", and what it is called stays inside.
        stem = Path(source).stem.strip(".") or "volume"
        names = (out / (stem if number == 1 else f"{stem}-{number}") for number in count(1))
        folders.setdefault(source, next(folder for folder in names if folder not in folders.values()))
    return folders


def render(sandbox: Sandbox, source: str, wish: Wish, folder: Path) -> None:
    if not source.startswith(SCHEME):
        write_preview(sandbox.render(Path(source), wish), folder)
        return
    with bucket().open(source.removeprefix(SCHEME).partition("/")[2]) as file:
        rendering = sandbox.render(cast(BinaryIO, file), wish)
        write_preview(rendering, folder, {"bytes_fetched": file.bytes_fetched, "requests": file.requests})
