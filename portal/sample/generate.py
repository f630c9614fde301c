"""Runs the plan: scans everybody, writes the archives, and tells the catalogue what is in them."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from portal.sample.archives import PART_SIZE, SampleArchive, SampleVolume, hash_file, pack
from portal.sample.nifti import load_template
from portal.sample.plan import MATRIX, PLANS, ArchivePlan, Batch, DatasetPlan
from portal.sample.volumes import Scan, multicoil_file, singlecoil_file, test_file

WORKERS = 2
# Acceleration and the first column of the mask of the n-th volume in a test archive.
TEST_MASKS = ((4, 1), (8, 3))


@dataclass(frozen=True)
class SampleDataset:
    """A dataset with its one release. Texts are Markdown, but for `summary`."""

    slug: str
    name: str
    version: str
    summary: str
    description: str
    anatomy: str
    citation: str
    notes: str
    archives: tuple[SampleArchive, ...]


def generate(
    directory: Path,
    progress: Callable[[str], None],
    *,
    matrix: int = MATRIX,
    plans: Sequence[DatasetPlan] = PLANS,
) -> list[SampleDataset]:
    """Writes the archives into `directory/<slug>/<version>/` and describes them. The same files every time."""
    progress("Reading the brain template")
    load_template()
    jobs = [(plan, batch) for plan in plans for batch in plan.batches]

    def run(job: tuple[DatasetPlan, Batch]) -> list[SampleArchive]:
        plan, batch = job
        folder = directory / plan.slug / plan.version
        folder.mkdir(parents=True, exist_ok=True)
        scans = [examination.scan(matrix) for examination in batch.examinations]
        archives = [write_archive(folder, archive, scans) for archive in batch.archives]
        for archive in archives:
            progress(f"{archive.name}: {scans_of(scans)}, {archive.size / 1e6:.1f} MB")
        return archives

    with ThreadPoolExecutor(WORKERS) as pool:
        results = list(pool.map(run, jobs))
    return [describe(plan, [r for (p, _), r in zip(jobs, results, strict=True) if p is plan]) for plan in plans]


def scans_of(scans: list[Scan]) -> str:
    return "one simulated scan" if len(scans) == 1 else f"{len(scans)} simulated scans"


def describe(plan: DatasetPlan, batches: list[list[SampleArchive]]) -> SampleDataset:
    archives = tuple(archive for batch in batches for archive in batch)
    return SampleDataset(
        plan.slug,
        plan.name,
        plan.version,
        plan.summary,
        plan.description,
        plan.anatomy,
        plan.citation,
        plan.notes,
        archives,
    )


def write_archive(folder: Path, plan: ArchivePlan, scans: list[Scan]) -> SampleArchive:
    path = folder / plan.name
    files = [(f"{plan.folder}/{scan.name}", volume_file(plan, index, scan)) for index, scan in enumerate(scans)]
    offsets = pack(path, files)
    volumes = tuple(
        volume(plan, scan, name, offset, len(content))
        for scan, (name, content), offset in zip(scans, files, offsets, strict=True)
    )
    sha256, parts = hash_file(path)
    counts = sorted({entry.coils for entry in volumes})
    coils = str(counts[0]) if len(counts) == 1 else f"{counts[0]} to {counts[-1]}"
    return SampleArchive(plan.name, path, plan.split, coils, path.stat().st_size, sha256, PART_SIZE, parts, volumes)


def volume_file(plan: ArchivePlan, index: int, scan: Scan) -> bytes:
    if plan.kind == "test":
        return test_file(scan, *TEST_MASKS[index % len(TEST_MASKS)])
    return singlecoil_file(scan) if plan.kind == "single-coil" else multicoil_file(scan)


def volume(plan: ArchivePlan, scan: Scan, name: str, offset: int, size: int) -> SampleVolume:
    protocol = scan.protocol
    return SampleVolume(
        path=name,
        offset=offset,
        size=size,
        acquisition=scan.acquisition,
        readout=protocol.readout,
        phase=protocol.phase,
        slices=len(scan.kspace),
        coils=1 if plan.kind == "single-coil" else protocol.coils,
        field_strength=protocol.field_strength,
    )
