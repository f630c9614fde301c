"""`manage.py render_preview`: previews of files and of objects in the bucket, into folders."""

import json
from io import StringIO
from pathlib import Path
from uuid import uuid4

import pytest
from django.core.management import CommandError, call_command

from datasets.management.commands.render_preview import name_folders
from datasets.storage import bucket
from tests.kspace import volumes

PICTURES = {"kspace.png", "reconstruction.png", "undersampled.png", "difference.png", "thumbnail.png"}


@pytest.fixture
def volume(tmp_path: Path) -> Path:
    return volumes.multicoil(tmp_path / "volume.h5", volumes.kspace(slices=6, coils=4, readout=256, phase=96))


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "out"


def run(*sources: str | Path, out: Path, **options: object) -> str:
    said = StringIO()
    call_command("render_preview", *map(str, sources), out=out, stderr=said, **options)
    return said.getvalue()


def written(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def preview(folder: Path) -> dict[str, int]:
    return json.loads((folder / "preview.json").read_text())


def uploaded(file: Path) -> str:
    key = f"previews-{uuid4().hex}/{file.name}"
    bucket().upload(file, key)
    return f"s3://{bucket().name}/{key}"


def test_one_file_is_rendered_into_the_folder_without_a_word(volume: Path, out: Path) -> None:
    assert run(volume, out=out) == ""
    assert written(out) == PICTURES | {"preview.json"}
    assert preview(out)["slice"] == 3


def test_object_gives_the_pictures_of_the_file_and_is_fetched_in_part(volume: Path, tmp_path: Path) -> None:
    run(volume, out=tmp_path / "file")
    run(uploaded(volume), out=tmp_path / "object")
    for name in PICTURES:
        assert (tmp_path / "file" / name).read_bytes() == (tmp_path / "object" / name).read_bytes()
    summary = preview(tmp_path / "object")
    one_slice = 4 * 256 * 96 * 8
    assert summary["bytes_fetched"] <= 1.05 * one_slice + 1_000_000
    assert summary["requests"] <= 6


def test_several_have_a_folder_each_and_a_line_of_progress(volume: Path, tmp_path: Path, out: Path) -> None:
    (tmp_path / "other").mkdir()
    namesake = volumes.multicoil(tmp_path / "other" / "volume.h5")
    single = volumes.singlecoil(tmp_path / "single.h5")
    said = run(volume, namesake, single, volume, out=out, slice=1, acceleration=8)
    assert said.splitlines() == [f"1 of 3: {volume}", f"2 of 3: {namesake}", f"3 of 3: {single}"]
    assert written(out) == {"volume", "volume-2", "single"}
    assert {preview(out / name)["slice"] for name in written(out)} == {1}
    assert {preview(out / name)["acceleration"] for name in written(out)} == {8}


def test_a_key_that_ends_in_dots_leads_out_of_no_folder(out: Path) -> None:
    folders = name_folders(["s3://bucket/a/..", "s3://bucket/.", "s3://bucket/b/"], out)
    assert [folder.parent for folder in folders.values()] == [out] * 3
    assert len(set(folders.values())) == 3


def test_one_that_fails_is_told_and_the_others_are_rendered(volume: Path, tmp_path: Path, out: Path) -> None:
    bad = tmp_path / "bad.h5"
    bad.write_text("no volume")
    said = StringIO()
    missing = f"s3://{bucket().name}/missing-{uuid4().hex}.h5"
    with pytest.raises(SystemExit) as end:
        call_command("render_preview", str(bad), missing, str(volume), out=out, stderr=said)
    assert end.value.code == 1
    lines = said.getvalue().splitlines()
    assert len(lines) == 5
    assert lines[1].startswith(f"{bad}: ")
    assert "has no object" in lines[3]
    assert written(out) == {"volume"}


@pytest.mark.parametrize("source", ["s3://elsewhere/volume.h5", "s3://", "s3:///volume.h5"])
def test_other_buckets_are_refused_before_anything_is_rendered(volume: Path, out: Path, source: str) -> None:
    with pytest.raises(CommandError, match="no object of the site's bucket") as refused:
        run(volume, source, out=out)
    assert refused.value.returncode == 2
    assert not out.exists()


@pytest.mark.parametrize("wrong", [["--slice=-1"], ["--acceleration=1"]])
def test_wrong_usage_is_refused(volume: Path, out: Path, wrong: list[str]) -> None:
    with pytest.raises(CommandError, match=r"slice|acceleration"):
        call_command("render_preview", str(volume), f"--out={out}", *wrong)
