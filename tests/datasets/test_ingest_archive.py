"""`manage.py ingest_archive`: all that one pass finds, of files and of objects in the bucket, without a database."""

import json
from collections.abc import Callable
from hashlib import sha256
from io import StringIO
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.conf import settings as django_settings
from django.core.management import CommandError, call_command
from pytest_django import Settings

from datasets.management.commands import ingest_archive
from datasets.storage import bucket
from tests.flows.faults import Fault, FaultyBucket
from tests.kspace import volumes
from tests.kspace.tars import PACKERS, tar_of

NAMES = pytest.mark.parametrize("name", list(PACKERS))


@pytest.fixture
def scan(tmp_path: Path) -> bytes:
    return volumes.multicoil(tmp_path / "scan.h5").read_bytes()


@pytest.fixture
def archive(tmp_path: Path, scan: bytes) -> Callable[[str], Path]:
    """One packed as its name says."""

    def make(name: str) -> Path:
        tar = tar_of([("README", b"Read me."), ("train/1.h5", scan), ("train/2.h5", scan)])
        path = tmp_path / name
        path.write_bytes(PACKERS[name](tar))
        return path

    return make


def run(source: Path | str, *options: str) -> tuple[str, str, int]:
    """What it says to both, and its exit code."""
    out, err = StringIO(), StringIO()
    try:
        call_command("ingest_archive", str(source), *options, stdout=out, stderr=err)
    except SystemExit as exit_:
        return out.getvalue(), err.getvalue(), int(str(exit_.code))
    return out.getvalue(), err.getvalue(), 0


def told(source: Path | str) -> dict[str, Any]:
    out, err, code = run(source, "--json")
    assert (err, code) == ("", 0)
    found = json.loads(out)
    assert found.pop("seconds") >= 0
    return found


@NAMES
def test_everything_is_told_without_a_database(name: str, archive: Callable[[str], Path], scan: bytes) -> None:
    path = archive(name)
    found = told(path)
    assert (found["size"], found["sha256"]) == (path.stat().st_size, sha256(path.read_bytes()).hexdigest())
    assert (found["part_size"], found["part_hashes"]) == (256 * 2**20, [found["sha256"]])
    assert [each["path"] for each in found["volumes"]] == ["train/1.h5", "train/2.h5"]
    assert {each["sha256"] for each in found["volumes"]} == {sha256(scan).hexdigest()}
    assert found["volumes"][0]["facts"]["layout"] == "multi-coil"
    [other] = found["others"]
    assert (other["path"], other["reason"]) == ("README", "not HDF5")


def test_the_offsets_of_a_tar_file_are_those_of_its_volumes(archive: Callable[[str], Path], scan: bytes) -> None:
    path = archive("volumes.tar")
    for each in told(path)["volumes"]:
        assert path.read_bytes()[each["offset"] : each["offset"] + each["size"]] == scan


@NAMES
def test_an_object_in_the_bucket_is_told_as_the_file_is(name: str, archive: Callable[[str], Path]) -> None:
    path = archive(name)
    bucket().upload(path, f"ingested/{name}")
    assert told(f"s3://{bucket().name}/ingested/{name}") == told(path)


def test_a_connection_that_breaks_changes_nothing(archive: Callable[[str], Path], settings: Settings) -> None:
    path = archive("volumes.tar")
    bucket().upload(path, "ingested/volumes.tar")
    port = urlsplit(django_settings.BUCKET_ENDPOINT_URL).port
    assert port
    proxy = FaultyBucket(port)
    settings.BUCKET_ENDPOINT_URL = proxy.url
    proxy.plan.faults.extend([Fault(cut_after=1000), Fault(cut_after=200_000)])
    assert told(f"s3://{bucket().name}/ingested/volumes.tar") == told(path)
    proxy.stop()


def test_people_read_it_as_text(archive: Callable[[str], Path]) -> None:
    out, _err, _code = run(archive("volumes.tar"))
    lines = out.splitlines()
    assert lines[0].endswith(sha256(archive("volumes.tar").read_bytes()).hexdigest())
    assert "README  (not HDF5)" in lines[2]
    assert lines[-1] == "Volumes: 2, of which cannot be read: 0."


def test_pictures_lie_in_folders_that_the_archive_did_not_name(archive: Callable[[str], Path], tmp_path: Path) -> None:
    folder = tmp_path / "out"
    assert run(archive("volumes.tar.zst"), "--out", str(folder))[1:] == ("", 0)
    assert sorted(path.name for path in folder.iterdir()) == ["00001", "00002"]
    assert (folder / "00002" / "thumbnail.png").exists()
    assert json.loads((folder / "00002" / "preview.json").read_text())["path"] == "train/2.h5"


def test_a_volume_that_cannot_be_read_is_an_exit_code_and_all_is_told(tmp_path: Path, scan: bytes) -> None:
    path = tmp_path / "volumes.tar"
    path.write_bytes(tar_of([("1.h5", scan[:3000]), ("2.h5", scan)]))
    out, err, code = run(path, "--json")
    assert code == 1
    assert err.startswith("1.h5: ")
    assert [bool(each["facts"]) for each in json.loads(out)["volumes"]] == [False, True]


@pytest.mark.parametrize(
    ("name", "spoil", "sentence"),
    [
        ("volumes.tar.gz", lambda content: content[:-1], "ends at byte"),
        ("volumes.tar.xz", lambda content: content[:5000], "ends at byte"),
        ("volumes.tar", lambda content: content[:5000], "ends at byte"),
        ("volumes.tar", lambda content: b"<html>" * 500, "is no tar archive"),
        ("volumes.tar.zst", lambda content: b"<html>" * 500, "cannot be unpacked"),
    ],
)
def test_a_broken_archive_is_a_sentence(
    name: str, spoil: Callable[[bytes], bytes], sentence: str, archive: Callable[[str], Path]
) -> None:
    path = archive(name)
    path.write_bytes(spoil(path.read_bytes()))
    out, err, code = run(path, "--json")
    assert (out, code) == ("", 1)
    assert err.startswith(f"{path}: {name} ")
    assert sentence in err


def test_what_is_not_there_is_a_sentence(tmp_path: Path) -> None:
    assert run(tmp_path / "a.tar")[1:] == (f"{tmp_path / 'a.tar'}: No such file or directory.\n", 1)
    assert "has no object nowhere.tar" in run(f"s3://{bucket().name}/nowhere.tar")[1]
    (tmp_path / "a.zip").write_bytes(b"PK")
    assert "unknown kind" in run(tmp_path / "a.zip")[1]


def test_other_buckets_are_wrong_usage() -> None:
    with pytest.raises(CommandError, match="no object of the site's bucket"):
        run("s3://somebody-elses/volumes.tar")


def test_whoever_waits_is_told_how_far_it_is(archive: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ingest_archive, "TELL_EVERY", 0.0)
    _out, err, _code = run(archive("volumes.tar"))
    assert "0 s left; volumes: 2" in err.splitlines()[-1]
