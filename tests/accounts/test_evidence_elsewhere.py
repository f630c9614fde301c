"""The steps of docs/decisions/2026-11-25-evidence.md, run as they stand there, by somebody without this site."""

import hashlib
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from django.conf import settings
from django.core.management import call_command
from django.utils import timezone

from accounts.models import Signature
from accounts.services.anchors import Anchor, written
from accounts.services.evidence import records
from tests.accounts.test_receipts import sign
from tests.factories import AgreementVersionFactory, UserFactory

pytestmark = pytest.mark.django_db
DOCUMENT = (settings.ROOT / "docs/decisions/2026-11-25-evidence.md").read_text()
(PROGRAM,) = re.findall(r"^```python\n(.*?)^```", DOCUMENT, re.DOTALL | re.MULTILINE)
(COMMANDS,) = re.findall(r"^```sh\n(.*?)^```", DOCUMENT, re.DOTALL | re.MULTILINE)


@pytest.fixture
def chain() -> list[Signature]:
    version = AgreementVersionFactory(statements=["Ich stimme zu: “ja”.", "同意します"])
    return [sign(version) for _ in range(3)]


def checked(folder: Path, lines: list[bytes], anchor: Anchor) -> subprocess.CompletedProcess[str]:
    (folder / "records.jsonl").write_bytes(b"".join(line + b"\n" for line in lines))
    (folder / "anchor.json").write_bytes(written(anchor))
    command = [sys.executable, "-I", "-W", "ignore", "-c", PROGRAM]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


def test_the_program_says_that_the_exported_chain_is_whole(
    chain: list[Signature], tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    call_command("export_evidence")
    lines = capfdbinary.readouterr().out.splitlines()
    anchor = Anchor(count=2, head=chain[1].record_hash, moment=timezone.now())

    done = checked(tmp_path, lines, anchor)

    assert [hashlib.sha256(line).hexdigest() for line in lines] == [each.record_hash for each in chain]
    assert done.stdout == f"3 records, through the anchor at record 2, to {chain[2].record_hash}\n"
    personal = {value for each in chain for value in (each.typed_name, each.email, each.salt, str(each.address))}
    assert not any(value.encode() in line for value in personal for line in lines)


@pytest.mark.parametrize("way", ["changed", "swapped", "removed", "cut", "begun anew"])
def test_the_program_finds_what_was_tampered_with(chain: list[Signature], tmp_path: Path, way: str) -> None:
    first, second, third = records()
    tampered = {
        "changed": [first, second.replace(b"statements", b"statement5"), third],
        "swapped": [first, third, second],
        "removed": [first, third],
        "cut": [first, second],
        "begun anew": [json.dumps({"previous": "0" * 64}).encode()],
    }[way]

    done = checked(tmp_path, tampered, Anchor(count=3, head=chain[2].record_hash, moment=timezone.now()))

    assert done.returncode == 1
    assert re.search(r"does not follow|does not go through the anchor", done.stderr)


def test_the_commands_open_a_commitment() -> None:
    signature = sign(user=UserFactory(name="Zoë O’Neill 山田"))

    done = subprocess.run(
        ["sh", "-euc", COMMANDS],
        env={"PATH": "/usr/bin:/bin", "SALT": signature.salt, "NAME": signature.typed_name},
        capture_output=True,
        text=True,
        check=True,
    )

    assert done.stdout.strip() == signature.commitments["typed_name"]
