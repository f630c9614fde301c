"""From a volume's file to its pictures, its scores and what a person is told about it."""

import io
import json
import threading
from pathlib import Path

import h5py
import numpy as np
import pytest
from PIL import Image

from datasets.kspace import slices as slices_module
from datasets.kspace.errors import BadValuesError, SliceMissingError
from datasets.kspace.pictures import render
from datasets.kspace.report import Facts, Kind, Layout, Rendering, Report, Wish
from datasets.kspace.sandbox import Sandbox
from datasets.kspace.slices import choose_slices, plan_undersampling
from tests.kspace import volumes


@pytest.fixture
def volume(tmp_path: Path) -> Path:
    return volumes.multicoil(tmp_path / "volume.h5")


def pixels(rendering: Rendering, name: str) -> np.ndarray:
    with Image.open(io.BytesIO(rendering.contents[name])) as image:
        return np.asarray(image.convert("L")).astype(int)


def kinds(rendering: Rendering) -> list[Kind]:
    return sorted({picture.kind for picture in rendering.report.pictures})


def test_middle_slice_alone_gives_four_pictures_a_card_and_a_thumbnail(volume: Path) -> None:
    rendering = render(volume, Wish())
    assert sorted(rendering.contents) == [
        "001-difference.webp",
        "001-kspace.webp",
        "001-reconstruction.webp",
        "001-undersampled.webp",
        "card.webp",
        "thumbnail.webp",
    ]
    report = rendering.report
    assert report.slice == 1
    assert [row.number for row in report.slices] == [1]
    assert report.volume is None
    assert report.notes == ()


def test_all_slices_give_their_pictures_and_scores_and_those_of_the_volume(volume: Path) -> None:
    report = render(volume, Wish(slices="all")).report
    assert [row.number for row in report.slices] == [0, 1, 2]
    assert [picture.slice for picture in report.pictures if picture.kind is Kind.KSPACE] == [0, 1, 2]
    assert [picture.slice for picture in report.pictures if picture.size == "card"] == [1]
    assert report.volume is not None
    similar = [row.scores.ssim for row in report.slices if row.scores is not None and row.scores.ssim is not None]
    assert report.volume.ssim == pytest.approx(np.mean(similar))


def test_report_travels_as_json(volume: Path) -> None:
    report = render(volume, Wish(slices="all")).report
    assert Report.from_json(json.loads(json.dumps(report.as_json(), allow_nan=False))) == report


def test_sizes_in_the_report_are_those_of_the_pictures(volume: Path) -> None:
    rendering = render(volume, Wish(slices="all"))
    for picture in rendering.report.pictures:
        assert pixels(rendering, picture.name).shape == (picture.height, picture.width)


@pytest.mark.parametrize("form", ["png", "webp"])
def test_same_file_gives_the_same_bytes_under_another_name(volume: Path, tmp_path: Path, form: str) -> None:
    first = render(volume, Wish(slices="all", format=form))
    other = volume.rename(tmp_path / "renamed.h5")
    assert render(other, Wish(slices="all", format=form)).contents == first.contents
    with other.open("rb") as file:
        assert render(file, Wish(slices="all", format=form)).contents == first.contents


def test_phantom_is_shown_upright_bright_inside_and_dark_outside(volume: Path) -> None:
    picture = pixels(render(volume, Wish(format="png")), "001-reconstruction.png")
    stored = volumes.root_sum_of_squares(volumes.kspace(), (32, 32))[1]
    assert np.corrcoef(picture.ravel(), stored[::-1].ravel())[0, 1] > 0.95
    assert picture[0].max() < 30
    assert picture[16, 16] > 120


def test_difference_is_dark_where_the_pictures_are_alike(volume: Path) -> None:
    rendering = render(volume, Wish(format="png"))
    full, undersampled, difference = (
        pixels(rendering, f"001-{kind}.png") for kind in ("reconstruction", "undersampled", "difference")
    )
    alike = np.abs(full - undersampled) < 3
    assert difference[alike & (full > 30) & (full < 255)].mean() < 10
    assert difference[np.abs(full - undersampled) > 60].min() > 140


def test_scores_of_one_slice_take_its_own_range_and_those_of_all_the_volume(tmp_path: Path) -> None:
    values = volumes.kspace()
    values[0] *= 10
    file = volumes.multicoil(tmp_path / "volume.h5", values)
    alone = render(file, Wish(slices=2)).report.slices[0].scores
    among = render(file, Wish(slices="all")).report.slices[2].scores
    assert alone is not None
    assert among is not None
    assert alone.psnr is not None
    assert among.psnr is not None
    assert among.nmse == pytest.approx(alone.nmse)
    assert among.psnr > alone.psnr + 10


def test_higher_acceleration_keeps_fewer_columns_and_scores_worse(volume: Path) -> None:
    four, eight = (render(volume, Wish(acceleration=times)).report for times in (4, 8))
    assert four.columns is not None
    assert eight.columns is not None
    assert len(four.columns) > len(eight.columns)
    assert (four.centre, eight.centre) == (round(48 * 0.08), round(48 * 0.04))
    assert (four.acceleration, eight.acceleration) == (4, 8)
    four_scores, eight_scores = four.slices[0].scores, eight.slices[0].scores
    assert four_scores is not None
    assert four_scores.nmse is not None
    assert eight_scores is not None
    assert eight_scores.nmse is not None
    assert four_scores.nmse < eight_scores.nmse


def test_columns_are_every_fourth_and_the_middle_and_are_chosen_by_what_the_file_says_of_itself() -> None:
    facts = Facts(Layout.MULTI_COIL, (35, 15, 640, 368), "complex64", 35, 15, 640, 368, acquisition="CORPD_FBK")
    plan = plan_undersampling(facts, 4)
    expected = np.zeros(368, bool)
    expected[int(plan.columns[:4].argmax()) :: 4] = True
    expected[170:199] = True
    assert plan.centre == 29
    assert np.array_equal(plan.columns, expected)
    assert np.array_equal(plan_undersampling(facts, 4).columns, plan.columns)


def test_single_coil_is_compared_with_its_own_reconstruction(tmp_path: Path) -> None:
    report = render(volumes.singlecoil(tmp_path / "volume.h5"), Wish(slices="all")).report
    assert report.notes == ()
    assert report.volume is not None


def test_test_file_has_no_undersampled_picture_and_says_why(tmp_path: Path) -> None:
    rendering = render(volumes.test_split(tmp_path / "volume.h5"), Wish(slices="all", format="png"))
    assert kinds(rendering) == [Kind.KSPACE, Kind.RECONSTRUCTION]
    assert rendering.report.columns is None
    assert rendering.report.centre is None
    assert rendering.report.volume is None
    assert all(row.scores is None for row in rendering.report.slices)
    (note,) = rendering.report.notes
    assert note.startswith("Only 15 of its 48 columns were measured")
    unmeasured = sorted(set(range(48)) - set(rendering.report.facts.measured or ()))
    assert pixels(rendering, "001-kspace.png")[:, unmeasured].max() == 0


def test_stored_reconstruction_is_the_picture_of_several_averages(tmp_path: Path) -> None:
    rendering = render(volumes.prostate(tmp_path / "volume.h5"), Wish(slices="all"))
    assert Kind.RECONSTRUCTION in kinds(rendering)
    assert Kind.UNDERSAMPLED not in kinds(rendering)
    assert "several averages" in rendering.report.notes[0]


def test_stored_reconstruction_is_the_only_picture_of_radial_kspace(tmp_path: Path) -> None:
    rendering = render(volumes.breast(tmp_path / "volume.h5"), Wish(slices="all"))
    assert kinds(rendering) == [Kind.RECONSTRUCTION]
    assert "radial" in rendering.report.notes[0]


def test_ismrmrd_file_is_reconstructed_as_the_same_scan_in_the_other_format(tmp_path: Path, volume: Path) -> None:
    other = render(volumes.ismrmrd(tmp_path / "other.h5"), Wish(format="png"))
    ours = pixels(render(volume, Wish(format="png")), "001-reconstruction.png")
    assert np.abs(pixels(other, "001-reconstruction.png") - ours).max() <= 1


def test_stored_reconstruction_that_is_not_of_this_kspace_is_told(tmp_path: Path) -> None:
    file = volumes.multicoil(tmp_path / "volume.h5")
    with h5py.File(file, "r+") as opened:
        opened["reconstruction_rss"][2] *= 1.01
    report = render(file, Wish(slices="all")).report
    assert report.notes == (
        "The reconstruction stored in the file is another than that of its k-space in slice 2 (counted from 0).",
    )
    assert render(file, Wish(slices=1)).report.notes == ()


def test_empty_slice_is_black_with_a_note(tmp_path: Path) -> None:
    values = volumes.kspace()
    values[0] = 0
    rendering = render(volumes.multicoil(tmp_path / "volume.h5", values), Wish(slices="all", format="png"))
    assert pixels(rendering, "000-reconstruction.png").max() == 0
    assert pixels(rendering, "000-kspace.png").max() == 0
    assert pixels(rendering, "001-reconstruction.png").max() == 255
    assert rendering.report.notes == ("All values are zero in slice 0 (counted from 0).",)
    scores = rendering.report.slices[0].scores
    assert scores is not None
    assert scores.nmse is None


def test_empty_volume_is_black_and_has_no_scores(tmp_path: Path) -> None:
    values = np.zeros_like(volumes.kspace(slices=12))
    rendering = render(
        volumes.multicoil(tmp_path / "volume.h5", values, stored=False), Wish(slices="all", format="png")
    )
    assert pixels(rendering, "thumbnail.png").max() == 0
    assert rendering.report.notes[0].endswith("0, 1, 2, 3, 4, 5, 6, 7, 8, 9 and 2 more (counted from 0).")
    assert rendering.report.volume is not None
    assert (rendering.report.volume.nmse, rendering.report.volume.psnr, rendering.report.volume.ssim) == (None,) * 3


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e18])
def test_values_not_finite_or_too_large_fail_the_volume_and_name_the_slice(tmp_path: Path, value: float) -> None:
    values = volumes.kspace()
    values[2, 1, 5, 7] = value
    file = volumes.multicoil(tmp_path / "volume.h5", values, stored=False)
    with pytest.raises(BadValuesError, match="2"):
        render(file, Wish(slices="all"))
    assert render(file, Wish(slices=1)).report.slice == 1


@pytest.mark.parametrize("number", [3, -1])
def test_slice_that_is_not_there_is_refused(volume: Path, number: int) -> None:
    with pytest.raises(SliceMissingError, match="the volume has 3"):
        render(volume, Wish(slices=number))


def test_tiny_matrix_is_shown_though_it_has_too_few_columns_to_undersample(tmp_path: Path) -> None:
    values = volumes.kspace(slices=1, coils=1, readout=2, phase=1)
    rendering = render(volumes.multicoil(tmp_path / "volume.h5", values, size=(1, 1)), Wish())
    assert kinds(rendering) == [Kind.KSPACE, Kind.RECONSTRUCTION]
    assert rendering.report.notes == ("Its k-space has 1 column, too few to leave most of them out.",)


def test_pictures_too_small_for_similarity_have_the_other_scores(tmp_path: Path) -> None:
    values = volumes.kspace(slices=2, coils=2, readout=12, phase=6)
    report = render(volumes.multicoil(tmp_path / "volume.h5", values, size=(6, 6)), Wish(slices="all")).report
    assert report.volume is not None
    assert report.volume.ssim is None
    assert report.volume.nmse is not None


def test_of_a_volume_too_large_to_hold_slices_at_even_distances_are_shown(
    volume: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(slices_module, "HELD_BYTES", 2 * 8 * 32 * 32)
    report = render(volume, Wish(slices="all")).report
    assert [row.number for row in report.slices] == [1]
    assert report.notes == ("Of its 3 slices, 1 at even distances are shown.",)


def test_of_very_many_small_slices_as_many_are_shown_as_a_report_and_a_page_can_hold(tmp_path: Path) -> None:
    values = volumes.kspace(slices=1, coils=1, readout=8, phase=8).repeat(2_041, axis=0)
    file = volumes.multicoil(tmp_path / "volume.h5", values, size=(8, 8), stored=False)
    with Sandbox() as sandbox:
        report = sandbox.render(file, Wish(slices="all")).report
    assert len(report.slices) == 409
    assert report.notes == ("Of its 2041 slices, 409 at even distances are shown.",)


def test_file_whose_mask_leaves_nothing_out_is_undersampled_as_one_without_a_mask(volume: Path) -> None:
    with h5py.File(volume, "r+") as opened:
        opened["mask"] = np.ones(48, bool)
    report = render(volume, Wish()).report
    assert report.notes == ()
    assert report.columns is not None


@pytest.mark.parametrize("count", [1, 2, 16, 35, 50, 300, 1001])
def test_middle_slice_is_always_among_all(count: int) -> None:
    chosen = choose_slices(count, (512, 512), "all")
    assert count // 2 in chosen
    assert len(chosen) * 8 * 512 * 512 <= slices_module.HELD_BYTES
    assert len(set(np.diff(chosen))) <= 1


def test_several_threads_may_render_at_once(volume: Path) -> None:
    alone = render(volume, Wish(slices="all")).contents
    made: list[dict[str, bytes]] = []
    threads = [threading.Thread(target=lambda: made.append(render(volume, Wish(slices="all")).contents)) for _ in "ab"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert made == [alone, alone]
