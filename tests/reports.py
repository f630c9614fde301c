"""Reports of volumes as rendering would write them, without rendering anything."""

from collections.abc import Iterable

import factory
from django.utils import timezone

from datasets.kspace.report import Facts, Kind, Layout, PictureReport, Report, Scores, SliceReport
from datasets.models import Preview, Volume
from tests.factories import PreviewFactory, digest_of

# The kinds of one slice, in the order in which a fully sampled one has them.
ALL = (Kind.KSPACE, Kind.RECONSTRUCTION, Kind.UNDERSAMPLED, Kind.DIFFERENCE)


def facts_of(volume: Volume, layout: Layout = Layout.MULTI_COIL, measured: tuple[int, ...] | None = None) -> Facts:
    slices, coils = volume.slices or 1, volume.coils or 1
    readout, phase = volume.readout or 640, volume.phase or 368
    single = layout is Layout.SINGLE_COIL
    return Facts(
        layout=layout,
        shape=(slices, readout, phase) if single else (slices, coils, readout, phase),
        dtype="complex64",
        slices=slices,
        coils=coils,
        readout=readout,
        phase=phase,
        acquisition=volume.acquisition,
        field_strength=1.494,
        slice_mm=5.0,
        repetition_ms=250.0,
        echo_ms=3.4,
        flip_degrees=70.0,
        encoded=(readout, phase, 1),
        recon=(320, 320, 1),
        measured=measured,
    )


def pictures_of(slices: Iterable[int], middle: int, kinds: Iterable[Kind], width: int = 320) -> list[PictureReport]:
    pictures = [
        PictureReport(kind, number, "full", width, 320, f"{number:03}-{kind}.webp")
        for number in slices
        for kind in kinds
    ]
    small = [("card", 320), ("thumbnail", 160)]
    return [
        *pictures,
        *(PictureReport(Kind.RECONSTRUCTION, middle, size, side, side, f"{size}.webp") for size, side in small),
    ]


def report_of(
    volume: Volume,
    *,
    layout: Layout = Layout.MULTI_COIL,
    kinds: tuple[Kind, ...] = ALL,
    measured: tuple[int, ...] | None = None,
    notes: tuple[str, ...] = (),
) -> Report:
    """Every slice, four times undersampled where the kinds say so; the SSIM rises from slice to slice."""
    facts = facts_of(volume, layout, measured)
    slices, scored = range(facts.slices), Kind.UNDERSAMPLED in kinds
    centre = range((facts.phase or 0) // 2 - 14, (facts.phase or 0) // 2 + 15)
    columns = tuple(sorted({*range(1, facts.phase or 0, 4), *centre}))
    return Report(
        facts=facts,
        slice=facts.slices // 2,
        slices=tuple(
            SliceReport(number, Scores(0.0643, 23.0, 0.6 + number / 500) if scored else None) for number in slices
        ),
        volume=Scores(0.0611, 23.74, 0.6802) if scored else None,
        acceleration=4,
        columns=columns if scored else None,
        centre=len(centre) if scored else None,
        pictures=tuple(pictures_of(slices, facts.slices // 2, kinds)),
        bytes_read=1_000_000,
        seconds=0.5,
        notes=notes,
    )


class RenderedFactory(PreviewFactory):
    """All pictures of a volume were made, though no files lie under their names."""

    state = Preview.State.DONE
    finished_at = factory.LazyFunction(timezone.now)
    folder = factory.LazyAttribute(lambda row: digest_of(row.volume.path)[:32])
    report = factory.LazyAttribute(lambda row: report_of(row.volume).as_json())


class FailedFactory(PreviewFactory):
    """No picture could be made."""

    state = Preview.State.FAILED
    finished_at = factory.LazyFunction(timezone.now)
    reason = "The file is a web page, not HDF5."
