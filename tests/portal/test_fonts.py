"""The faces come out of locked packages, and the site does without them where no registry answers."""

import json
import re
from pathlib import Path

import pytest

from portal.embedded import fonts


def test_every_file_that_the_faces_name_is_copied_from_a_locked_package() -> None:
    named = set(re.findall(r'url\("([^"]+)"\)', fonts.SHEET.read_text()))
    assert named == {name for names in fonts.FILES.values() for name in names}
    lock = json.loads((fonts.ROOT / "package-lock.json").read_text())["packages"]
    for package in fonts.FILES:
        entry = lock[f"node_modules/@fontsource-variable/{package}"]
        assert entry["integrity"].startswith("sha512-")
        assert "resolved" not in entry


def test_without_a_registry_a_warning_says_so_and_the_build_goes_on(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(fonts, "FONTS", tmp_path / "fonts")
    monkeypatch.setattr("sys.argv", ["fonts"])
    failing = ["/bin/sh", "-c", "echo 'npm error code ECONNREFUSED' >&2; exit 1"]
    monkeypatch.setattr(fonts, "npm_command", lambda *_arguments: failing)
    assert fonts.main() == 0
    assert "WARNING: the fonts were not fetched (code ECONNREFUSED)." in capsys.readouterr().err
    assert not (tmp_path / "fonts").exists()


def test_copied_fonts_carry_their_licences(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    packages = tmp_path / "packages"
    for package, names in fonts.FILES.items():
        (packages / package / "files").mkdir(parents=True)
        (packages / package / "LICENSE").write_text(f"Licence of {package}")
        for name in names:
            (packages / package / "files" / name).write_bytes(b"wOF2")
    monkeypatch.setattr(fonts, "PACKAGES", packages)
    monkeypatch.setattr(fonts, "FONTS", tmp_path / "fonts")
    assert fonts.copy_fonts() == 6
    copied = {path.name for path in (tmp_path / "fonts").iterdir()}
    assert {"fonts.css", "stix-two-text-LICENSE.txt", "source-code-pro-latin-wght-normal.woff2"} <= copied
