"""What must not be deployed. Every problem of a bundle is named at once."""

import ast
import re
from collections.abc import Iterator, Sequence
from itertools import chain

from portal.deployment.checkout import File
from portal.deployment.configs import problems_of_configs
from portal.deployment.errors import BundleRefused
from portal.start import COMMANDS

HOOKS = tuple(
    f".platform/{kind}/{hook}"
    for kind in ("hooks", "confighooks")
    for hook in ("predeploy/10_check.sh", "postdeploy/10_smoke.sh")
)
REQUIRED = (
    *("Procfile", "manage.py", "requirements.txt", "portal/wsgi.py", "portal/celery.py", "portal/start.py"),
    *(f".ebextensions/{name}.config" for name in ("alarms", "balancer", "commands", "options")),
    *(f".platform/commands/{name}" for name in ("check", "collect", "environment", "migrate", "smoke")),
    *(".platform/nginx/nginx.conf", "static/portal.css", "static/fonts/fonts.css", "templates/base.html"),
    *HOOKS,
)
# What does not run in production: .ebignore leaves it out, and nothing in the bundle may need it.
LEFT_OUT = ("portal.deployment", "portal.embedded", "portal.sample", "tests")
HOOK_PLACES = re.compile(r"\.platform/(hooks|confighooks)/(prebuild|predeploy|postdeploy)/[^/]+")
PROCESS = re.compile(r"([A-Za-z0-9_-]+):\s*[^\s].*")
PINNED = re.compile(r"[A-Za-z0-9._-]+(\[[a-z0-9,-]+\])?==[^\s;]+( ;.*?)?( --hash=sha256:[0-9a-f]{64})+")
SHEBANG = b"#!/usr/bin/env bash\n"
MOST_BYTES_A_FILE = 10 * 1024 * 1024


def refuse_unfit(files: Sequence[File]) -> None:
    found = [*chain.from_iterable(guard(files) for guard in GUARDS)]
    if found:
        raise BundleRefused(*found)


def nothing_is_missing(files: Sequence[File]) -> Iterator[str]:
    there = {file.path for file in files}
    yield from (f"{path} is missing." for path in REQUIRED if path not in there)


def nothing_is_too_much(files: Sequence[File]) -> Iterator[str]:
    for file in files:
        if file.path.removesuffix(".py").replace("/", ".").startswith(LEFT_OUT):
            yield f"{file.path} does not run in production: name it in .ebignore."
        if len(file.content) > MOST_BYTES_A_FILE:
            yield f"{file.path} has {len(file.content):,} bytes: data belongs into the bucket."


def nothing_needs_what_is_left_out(files: Sequence[File]) -> Iterator[str]:
    for file in files:
        if file.suffix == ".py":
            for name in _imported(file):
                if f"{name}.".startswith(tuple(f"{room}." for room in LEFT_OUT)):
                    yield f"{file.path} imports {name}, which is not in the bundle."


def _imported(file: File) -> Iterator[str]:
    for node in ast.walk(ast.parse(file.content)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def lines_end_as_on_linux(files: Sequence[File]) -> Iterator[str]:
    for file in files:
        if b"\r\n" in file.content and b"\0" not in file.content:
            yield f"{file.path} has line ends of Windows (CRLF)."


def hooks_can_run(files: Sequence[File]) -> Iterator[str]:
    for file in files:
        if file.path.startswith((".platform/hooks/", ".platform/confighooks/")):
            if not HOOK_PLACES.fullmatch(file.path):
                yield f"{file.path} is at no place where hooks are looked for."
            if not file.is_program:
                yield f"{file.path} may not be executed: git update-index --chmod=+x it."
            if not file.content.startswith(SHEBANG):
                yield f"{file.path} does not begin with {SHEBANG.decode().strip()}."


def processes_are_known(files: Sequence[File]) -> Iterator[str]:
    for file in files:
        if file.path != "Procfile":
            continue
        names = []
        for number, line in enumerate(file.content.decode(errors="replace").splitlines(), start=1):
            match = PROCESS.fullmatch(line)
            if match is None:
                yield f"Procfile, line {number}, is not `name: command`."
            else:
                names.append(match[1])
        if sorted(names) != sorted(COMMANDS["all"]):
            yield f"Procfile has {', '.join(names)}; portal.start has {', '.join(COMMANDS['all'])}, once each."


def packages_are_pinned(files: Sequence[File]) -> Iterator[str]:
    for file in files:
        if file.path == "requirements.txt":
            text = re.sub(r"\s*\\\n\s*", " ", file.content.decode(errors="replace"))
            for line in text.splitlines():
                if line.strip() and not PINNED.fullmatch(line.strip()):
                    yield f"requirements.txt: {line.split()[0]} has no exact version with hashes: run `make lock`."


def configs_are_sound(files: Sequence[File]) -> Iterator[str]:
    texts = {
        file.path: file.content.decode(errors="replace") for file in files if file.path.startswith(".ebextensions/")
    }
    yield from problems_of_configs(texts)


GUARDS = (
    nothing_is_missing,
    nothing_is_too_much,
    nothing_needs_what_is_left_out,
    lines_end_as_on_linux,
    hooks_can_run,
    processes_are_known,
    packages_are_pinned,
    configs_are_sound,
)
