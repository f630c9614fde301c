"""Each of the bundle's guards, shown what it must refuse."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

import pytest

from portal.deployment import guards
from portal.deployment.checkout import File

Guard = Callable[[Sequence[File]], Iterator[str]]
HOOK = ".platform/hooks/predeploy/10_check.sh"
BASH = b"#!/usr/bin/env bash\n"


def test_what_there_is_passes_all_of_them(files: list[File]) -> None:
    assert [problem for guard in guards.GUARDS for problem in guard(files)] == []


@pytest.mark.parametrize("path", guards.REQUIRED)
def test_a_part_that_is_missing_is_refused(files: list[File], path: str) -> None:
    left = [file for file in files if file.path != path]
    assert list(guards.nothing_is_missing(left)) == [f"{path} is missing."]


@pytest.mark.parametrize(
    ("guard", "file", "said"),
    [
        (guards.nothing_is_too_much, File("tests/test_it.py", b""), "does not run in production"),
        (guards.nothing_is_too_much, File("portal/embedded/stack.py", b""), "does not run in production"),
        (guards.nothing_is_too_much, File("static/scan.h5", b"a" * 10_485_761), "10,485,761 bytes"),
        (
            guards.nothing_needs_what_is_left_out,
            File("a.py", b"import portal.sample.knee"),
            "imports portal.sample.knee",
        ),
        (guards.nothing_needs_what_is_left_out, File("a.py", b"from portal import embedded"), "portal.embedded"),
        (guards.nothing_needs_what_is_left_out, File("a.py", b"def f():\n import tests"), "imports tests"),
        (guards.lines_end_as_on_linux, File("Procfile", b"web: a\r\n"), "line ends of Windows"),
        (guards.lines_end_as_on_linux, File(HOOK, BASH + b"true\r\n", is_program=True), "line ends of Windows"),
        (guards.hooks_can_run, File(HOOK, BASH), "may not be executed"),
        (guards.hooks_can_run, File(HOOK, b"true\n", is_program=True), "does not begin with #!/usr/bin/env bash"),
        (guards.hooks_can_run, File(HOOK, b"\xef\xbb\xbf" + BASH, is_program=True), "does not begin with"),
        (guards.hooks_can_run, File(".platform/hooks/10.sh", BASH, is_program=True), "at no place"),
        (guards.hooks_can_run, File(".platform/hooks/before/10.sh", BASH, is_program=True), "at no place"),
        (guards.processes_are_known, File("Procfile", b"web: a\nworker: b\nrenderer: c\n"), "web, worker, renderer;"),
        (
            guards.processes_are_known,
            File("Procfile", b"web: a\nweb: b\nworker: c\nrenderer: d\nbeat: e\n"),
            "once each",
        ),
        (guards.processes_are_known, File("Procfile", b"web: a\n\nworker: b\nrenderer: c\nbeat: d\n"), "line 2,"),
        (guards.processes_are_known, File("Procfile", b"web:\nworker: b\nrenderer: c\nbeat: d\n"), "line 1,"),
        (guards.processes_are_known, File("Procfile", b"w b: a\nworker: b\nrenderer: c\nbeat: d\n"), "line 1,"),
        (guards.packages_are_pinned, File("requirements.txt", b"django>=5\n"), "django>=5 has no exact version"),
        (guards.packages_are_pinned, File("requirements.txt", b"django==5.2.19\n"), "django==5.2.19 has no exact"),
        (guards.packages_are_pinned, File("requirements.txt", b"-e .\n"), "-e has no exact version"),
        (guards.packages_are_pinned, File("requirements.txt", b"git+https://a/b\n"), "has no exact version"),
        (
            guards.configs_are_sound,
            File(".ebextensions/a.config", b"a: 1\na: 2\n"),
            "line 2: the key 'a' is there twice.",
        ),
    ],
)
def test_what_must_not_be_deployed_is_refused(guard: Guard, file: File, said: str) -> None:
    (problem,) = guard([file])
    assert said in problem


def test_pictures_may_have_any_bytes(files: list[File]) -> None:
    assert list(guards.lines_end_as_on_linux([File("static/a.webp", b"\0\r\n")])) == []


def test_a_hook_that_lost_its_right_is_refused_wherever_it_is(files: list[File]) -> None:
    changed = [replace(file, is_program=False) for file in files]
    assert len(list(guards.hooks_can_run(changed))) == len(guards.HOOKS)
