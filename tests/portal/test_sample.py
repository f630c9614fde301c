"""The sample data: real fastMRI-format files, the same in every run, from a scan whose numbers add up."""

import hashlib
import io
import tarfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import h5py
import numpy as np
import pytest

from portal.sample import SampleArchive, SampleDataset, TemplateMissingError, generate
from portal.sample.__main__ import main
from portal.sample.archives import hash_file, pack
from portal.sample.nifti import load_template
from portal.sample.plan import BRAIN, KNEE, PLANS, DatasetPlan
from portal.sample.scanner import combined_picture
from tests.portal.sample_template import write_template

MATRIX = 32
HDF5_MAGIC = b"\x89HDF\r\n\x1a\n"
NAMESPACE = {"i": "http://www.ismrm.org/ISMRMRD"}
# One worker makes the archives for all of these tests.
pytestmark = pytest.mark.xdist_group("sample")


@pytest.fixture(scope="module")
def datasets(tmp_path_factory: pytest.TempPathFactory) -> list[SampleDataset]:
    """Both datasets, on a tiny matrix."""
    return made(tmp_path_factory.mktemp("sample"))


def short(plan: DatasetPlan) -> DatasetPlan:
    """The plan with two sections of each person."""
    batches = tuple(
        replace(batch, examinations=tuple(replace(who, positions=who.positions[:2]) for who in batch.examinations))
        for batch in plan.batches
    )
    return replace(plan, batches=batches)


def made(folder: Path, plans: Sequence[DatasetPlan] = PLANS) -> list[SampleDataset]:
    with pytest.MonkeyPatch.context() as patch:
        load_template.cache_clear()
        template = write_template(folder / "template")
        patch.setattr("portal.sample.nifti.template_folder", lambda: template)
        try:
            return generate(
                folder / "out", lambda _sentence: None, matrix=MATRIX, plans=[short(plan) for plan in plans]
            )
        finally:
            load_template.cache_clear()


def files_in(datasets: list[SampleDataset], word: str = "") -> list[tuple[SampleArchive, str, h5py.File]]:
    """Every volume of the archives with this word in their names, opened."""
    found = []
    for archive in (archive for dataset in datasets for archive in dataset.archives if word in archive.name):
        with tarfile.open(archive.path) as tar:
            for member in tar:
                stream = tar.extractfile(member)
                assert stream
                found.append((archive, member.name, h5py.File(io.BytesIO(stream.read()))))
    assert found
    return found


def test_every_volume_has_the_attributes_and_header_of_the_format(datasets: list[SampleDataset]) -> None:
    for archive, path, file in files_in(datasets):
        volume = next(volume for volume in archive.volumes if volume.path == path)
        assert file.attrs["acquisition"] == volume.acquisition
        assert file.attrs["max"] > 0
        assert file.attrs["norm"] > 0
        assert len(file.attrs["patient_id"]) == 64
        root = ElementTree.fromstring(bytes(file["ismrmrd_header"][()]))  # noqa: S314 - our own file
        numbers = [
            int(root.findtext(f"i:encoding/i:{space}/i:matrixSize/i:{axis}", namespaces=NAMESPACE) or 0)
            for space in ("encodedSpace", "reconSpace")
            for axis in "xyz"
        ]
        assert numbers == [volume.readout, volume.phase, 1, MATRIX, MATRIX, 1]


def test_multicoil_volumes_hold_kspace_of_every_coil_and_their_reconstruction(datasets: list[SampleDataset]) -> None:
    for word in ("sample", "multicoil_train", "multicoil_val"):
        for archive, path, file in files_in(datasets, word):
            volume = next(volume for volume in archive.volumes if volume.path == path)
            kspace, picture = file["kspace"], file["reconstruction_rss"]
            assert kspace.shape == (volume.slices, volume.coils, volume.readout, volume.phase)
            assert (kspace.dtype, picture.dtype) == (np.complex64, np.float32)
            assert picture.shape == (volume.slices, MATRIX, MATRIX)
            assert set(file) == {"kspace", "reconstruction_rss", "ismrmrd_header"}
            assert kspace.chunks is None
            assert kspace.compression is None
            again = np.stack([combined_picture(part, (MATRIX, MATRIX)) for part in kspace[:]])
            np.testing.assert_allclose(again, picture[:], rtol=1e-4, atol=1e-9)
            assert file.attrs["max"] == pytest.approx(float(picture[:].max()))


def test_singlecoil_volumes_are_the_multicoil_scans_heard_by_one_coil(datasets: list[SampleDataset]) -> None:
    many = {path.rpartition("/")[2]: file for _, path, file in files_in(datasets, "knee_multicoil_val")}
    for archive, path, file in files_in(datasets, "singlecoil"):
        volume = next(volume for volume in archive.volumes if volume.path == path)
        assert file["kspace"].shape == (volume.slices, volume.readout, volume.phase)
        assert volume.coils == 1
        single, every = file["reconstruction_esc"][:], file["reconstruction_rss"][:]
        np.testing.assert_array_equal(every, many[path.rpartition("/")[2]]["reconstruction_rss"][:])
        assert np.corrcoef(single.ravel(), every.ravel())[0, 1] > 0.8
        assert file.attrs["max"] == pytest.approx(float(single.max()))


def test_test_volumes_are_zero_outside_their_mask_and_give_nothing_away(datasets: list[SampleDataset]) -> None:
    for _archive, _path, file in files_in(datasets, "test"):
        assert set(file) == {"kspace", "mask", "ismrmrd_header"}
        mask, kspace = file["mask"][:], file["kspace"][:]
        assert mask.shape == kspace.shape[-1:]
        hidden = kspace[..., ~mask]
        assert not hidden.any()
        assert not np.signbit(np.stack([hidden.real, hidden.imag])).any()
        assert np.any(kspace[..., mask])
        acceleration, low = int(file.attrs["acceleration"]), int(file.attrs["num_low_frequency"])
        middle = len(mask) // 2
        assert mask[middle - low // 2 : middle + low // 2].all()
        assert mask.sum() < len(mask) / acceleration + low + 1


def test_columns_outside_the_encoding_limits_were_not_measured(datasets: list[SampleDataset]) -> None:
    for _archive, _path, file in files_in(datasets, "knee_multicoil_train"):
        root = ElementTree.fromstring(bytes(file["ismrmrd_header"][()]))  # noqa: S314 - our own file
        limits = root.find("i:encoding/i:encodingLimits/i:kspace_encoding_step_1", NAMESPACE)
        assert limits is not None
        center, maximum = (int(limits.findtext(f"i:{key}", "0", NAMESPACE)) for key in ("center", "maximum"))
        kspace = file["kspace"][:]
        left = kspace.shape[-1] // 2 - center
        measured = np.flatnonzero(kspace.any(axis=(0, 1, 2)))
        assert (measured[0], measured[-1]) == (left, left + maximum)


def test_anatomy_is_brighter_than_the_air_around_it(datasets: list[SampleDataset]) -> None:
    for _archive, path, file in files_in(datasets, "brain_multicoil_train"):
        pictures = file["reconstruction_rss"][:]
        corners = pictures[:, [0, 0, -1, -1], [0, -1, 0, -1]].mean()
        middle = pictures[:, MATRIX // 2 - 4 : MATRIX // 2 + 4, MATRIX // 2 - 4 : MATRIX // 2 + 4].mean()
        assert middle > 2 * corners, path


def test_offsets_point_at_hdf5_files_in_the_plain_archives(datasets: list[SampleDataset]) -> None:
    plain = [archive for dataset in datasets for archive in dataset.archives if archive.name.endswith(".tar")]
    assert {archive.split for archive in plain} == {"sample"}
    for archive in plain:
        content = archive.path.read_bytes()
        for volume in archive.volumes:
            file = content[volume.offset : volume.offset + volume.size]
            assert file.startswith(HDF5_MAGIC)
            with h5py.File(io.BytesIO(file)) as opened:
                assert opened.attrs["acquisition"] == volume.acquisition


def test_offsets_and_sizes_are_those_of_the_uncompressed_stream(datasets: list[SampleDataset]) -> None:
    for archive in (archive for dataset in datasets for archive in dataset.archives):
        with tarfile.open(archive.path) as tar:
            members = {member.name: (member.offset_data, member.size) for member in tar}
        assert members == {volume.path: (volume.offset, volume.size) for volume in archive.volumes}


def test_sizes_and_hashes_are_those_of_the_files(datasets: list[SampleDataset]) -> None:
    for archive in (archive for dataset in datasets for archive in dataset.archives):
        content = archive.path.read_bytes()
        assert archive.size == len(content)
        assert archive.sha256 == hashlib.sha256(content).hexdigest()
        assert archive.part_hashes == (archive.sha256,)


def test_second_run_makes_the_same_bytes(datasets: list[SampleDataset], tmp_path: Path) -> None:
    again = made(tmp_path)
    before, after = ([[archive.sha256 for archive in dataset.archives] for dataset in run] for run in (datasets, again))
    assert before == after


def test_every_person_is_different(datasets: list[SampleDataset]) -> None:
    for dataset in datasets:
        patients = [file.attrs["patient_id"] for _, path, file in files_in([dataset]) if "singlecoil" not in path]
        assert len(patients) == len(set(patients))


def test_part_hashes_cover_the_file_in_order(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(bytes(range(10)))
    whole, parts = hash_file(path, part_size=4)
    assert whole == hashlib.sha256(bytes(range(10))).hexdigest()
    assert parts == tuple(hashlib.sha256(bytes(part)).hexdigest() for part in (range(4), range(4, 8), range(8, 10)))


def test_archive_that_could_not_be_finished_is_not_taken_for_whole(tmp_path: Path) -> None:
    def members() -> list[tuple[str, bytes]]:
        return [("folder/first.h5", b"1"), ("folder/" + "x" * 300, b"2")]

    with pytest.raises(ValueError, match="name is too long"):
        pack(tmp_path / "knee.tar", members())
    assert not (tmp_path / "knee.tar").exists()


def test_missing_template_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    load_template.cache_clear()
    monkeypatch.setattr("importlib.util.find_spec", lambda _name: None)
    with pytest.raises(TemplateMissingError, match="pip install --no-deps nilearn"):
        generate(tmp_path, lambda _sentence: None, matrix=MATRIX)
    assert not any(tmp_path.iterdir())
    assert main(["--out", str(tmp_path)]) == 1
    assert "pip install --no-deps nilearn" in capsys.readouterr().err


def test_truncated_template_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = write_template(tmp_path)
    broken = next(folder.glob("*_gm_*"))
    broken.write_bytes(broken.read_bytes()[:60])
    load_template.cache_clear()
    monkeypatch.setattr("portal.sample.nifti.template_folder", lambda: folder)
    with pytest.raises(TemplateMissingError, match=broken.name):
        load_template()


def test_plans_have_distinct_names_and_the_layout_of_the_real_archives() -> None:
    names = [archive.name for plan in PLANS for batch in plan.batches for archive in batch.archives]
    assert len(names) == len(set(names))
    assert {name.partition(".")[2] for name in names} == {"tar", "tar.gz", "tar.xz"}
    for plan in (KNEE, BRAIN):
        assert {archive.split for batch in plan.batches for archive in batch.archives} == {
            "sample",
            "train",
            "validation",
            "test",
        }


def test_scan_of_one_coil_more_is_another_scan_of_the_same_person() -> None:
    knee = KNEE.batches[0].examinations[0]
    few, many = knee.scan(MATRIX), replace(knee, coils=6).scan(MATRIX)
    assert many.kspace.shape[1] == 6
    a, b = few.reconstruction()[0], many.reconstruction()[0]
    assert np.corrcoef(a.ravel(), b.ravel())[0, 1] > 0.9
