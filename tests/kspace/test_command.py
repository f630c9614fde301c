"""`python -m datasets.kspace FILE --out DIR`: what a person at a terminal gets, and how little it takes to start."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from datasets.kspace.commands import run
from tests.kspace import volumes

KEYS = {"shape", "acquisition", "slice", "nmse", "psnr", "ssim", "bytes_read", "seconds"}


@pytest.fixture
def volume(tmp_path: Path) -> Path:
    return volumes.multicoil(tmp_path / "volume.h5")


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "out"


def written(out: Path) -> list[str]:
    return sorted(path.name for path in out.iterdir())


def preview(out: Path) -> dict[str, object]:
    return json.loads((out / "preview.json").read_text())


def loaded(module: str) -> set[str]:
    code = f"import sys, {module}; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    return {name.partition(".")[0] for name in done.stdout.split()}


def test_new_process_leaves_pictures_and_a_summary(volume: Path, out: Path) -> None:
    command = [sys.executable, "-m", "datasets.kspace", str(volume), "--out", str(out)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    assert done.stdout + done.stderr == ""
    assert written(out) == [
        "difference.png",
        "kspace.png",
        "preview.json",
        "reconstruction.png",
        "thumbnail.png",
        "undersampled.png",
    ]
    summary = preview(out)
    assert summary.keys() >= KEYS
    assert summary["shape"] == [3, 4, 64, 48]
    assert summary["acquisition"] == "AXT2"
    assert summary["slice"] == 1
    assert 64 * 48 * 4 * 8 <= int(str(summary["bytes_read"])) < volume.stat().st_size
    with Image.open(out / "reconstruction.png") as picture:
        assert (picture.size, picture.mode) == ((32, 32), "L")


def test_neither_django_nor_the_numerics_are_loaded_before_the_child_is_started() -> None:
    assert not loaded("datasets.kspace.__main__") & {"django", "numpy", "h5py", "PIL"}


def test_child_loads_no_django() -> None:
    names = loaded("datasets.kspace.child")
    assert "numpy" in names
    assert not names & {"django", "celery", "boto3"}


def test_slice_and_acceleration_are_chosen(volume: Path, out: Path) -> None:
    assert run([str(volume), "--out", str(out), "--slice", "0", "--acceleration", "8"]) == 0
    first = preview(out)
    assert run([str(volume), "--out", str(out)]) == 0
    assert (first["slice"], first["acceleration"]) == (0, 8)
    assert (preview(out)["slice"], preview(out)["acceleration"]) == (1, 4)


def test_same_file_gives_the_same_pictures(volume: Path, tmp_path: Path) -> None:
    for name in ("one", "two"):
        assert run([str(volume), "--out", str(tmp_path / name)]) == 0
    pictures = [{path.name: path.read_bytes() for path in (tmp_path / name).glob("*.png")} for name in ("one", "two")]
    assert pictures[0] == pictures[1]


def test_pictures_of_an_earlier_preview_do_not_stay_where_the_next_has_none(volume: Path, out: Path) -> None:
    assert run([str(volume), "--out", str(out)]) == 0
    assert run([str(volumes.test_split(volume.with_name("test.h5"))), "--out", str(out)]) == 0
    assert written(out) == ["kspace.png", "preview.json", "reconstruction.png", "thumbnail.png"]
    assert preview(out)["nmse"] is None
    assert "were measured" in str(preview(out)["notes"])


@pytest.mark.parametrize(
    ("content", "sentence"), [(b"", "empty"), (b"<!doctype html><p>Access denied", "HDF5"), (b"\x89HDF\r\n\x1a\n", "")]
)
def test_bad_file_is_one_sentence_and_nothing_is_written(
    tmp_path: Path, out: Path, capsys: pytest.CaptureFixture[str], content: bytes, sentence: str
) -> None:
    file = tmp_path / "bad.h5"
    file.write_bytes(content)
    assert run([str(file), "--out", str(out)]) == 1
    said = capsys.readouterr().err
    assert said.startswith(f"{file}: ")
    assert sentence in said
    assert said.count("\n") == 1
    assert not out.exists()


def test_missing_file_folder_and_slice_are_refused(
    volume: Path, tmp_path: Path, out: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for arguments in ([str(tmp_path / "missing.h5")], [str(tmp_path)], [str(volume), "--slice", "3"]):
        assert run([*arguments, "--out", str(out)]) == 1
    missing, folder, beyond = capsys.readouterr().err.splitlines()
    assert "No such file" in missing
    assert "folder" in folder
    assert "slice" in beyond
    assert not out.exists()


def test_folder_that_cannot_be_written_is_a_sentence_and_keeps_what_is_there(
    volume: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    (out / ".preview.json.part").mkdir(parents=True)
    assert run([str(volume), "--out", str(out)]) == 1
    assert "directory" in capsys.readouterr().err.lower()
    assert written(out) == [".preview.json.part"]
    assert run([str(volume), "--out", str(volume)]) == 1


@pytest.mark.parametrize(
    "wrong",
    [
        [],
        ["--slice", "-1"],
        ["--slice", "middle"],
        ["--acceleration", "1"],
        ["--acceleration", "4.5"],
        ["--acceleration", "1000"],
        ["--colour"],
    ],
)
def test_wrong_usage_ends_with_2(volume: Path, out: Path, capsys: pytest.CaptureFixture[str], wrong: list[str]) -> None:
    arguments = [str(volume), "--out", str(out), *wrong] if wrong else [str(volume)]
    with pytest.raises(SystemExit) as end:
        run(arguments)
    assert end.value.code == 2
    assert "usage:" in capsys.readouterr().err


def test_help_says_from_where_slices_are_counted(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        run(["--help"])
    assert end.value.code == 0
    assert "counted from 0" in capsys.readouterr().out
