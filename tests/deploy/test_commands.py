"""What the bundle's commands do when something is not as it should be. That they do their work is what `make rehearse`
shows, with the real programs; here these are stand-ins that say what a test wants, and note what they are told."""

import os
import shutil
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.deploy.project import ROOT

ARN = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:portal/production/owner-AbCdEf"
MIGRATE = "python manage.py migrate --no-input"
LOOK = "python manage.py migrate --check --skip-checks --verbosity 0"
ROLE = "python manage.py check --database default --fail-level WARNING"
SAFE = "python manage.py check --deploy --fail-level WARNING"
PAGE = '<link rel="stylesheet" href="/assets/portal.0123456789ab.css">'


@dataclass
class Instance:
    """A folder in which the commands find what they look for in /var/app and on the PATH."""

    folder: Path
    answers: dict[str, str] = field(default_factory=dict)
    """What a stand-in does, by the beginning of what it is told: lines of shell."""

    def run(self, command: str, **properties: str) -> subprocess.CompletedProcess[str]:
        cases = "".join(f"  '{told}'*) {answer} ;;\n" for told, answer in self.answers.items())
        stand_in = (
            f'#!/bin/sh\ntold="${{0##*/}} $*"\necho "$told" >> "{self.folder}/told"\ncase "$told" in\n{cases}esac\n'
        )
        for program in ("python", "aws", "curl", "sleep"):
            path = self.folder / "venv" / "it" / "bin" / program
            path.write_text(stand_in)
            path.chmod(0o755)
        script = self.folder / "current" / ".platform" / "commands" / command
        environment = {"PATH": os.environ["PATH"], **properties}
        return subprocess.run(
            ["bash", str(script)], cwd=self.folder, env=environment, capture_output=True, text=True, check=False
        )

    def told(self) -> list[str]:
        return (self.folder / "told").read_text().splitlines()


@pytest.fixture
def instance(tmp_path: Path) -> Instance:
    commands = tmp_path / "current" / ".platform" / "commands"
    shutil.copytree(ROOT / "ebextensions" / "platform" / "commands", commands)
    found = commands / "environment"
    assert "source /var/app/venv/*/bin/activate" in found.read_text()
    found.write_text(found.read_text().replace("/var/app", str(tmp_path)))
    programs = tmp_path / "venv" / "it" / "bin"
    programs.mkdir(parents=True)
    (programs / "activate").write_text(f'PATH="{programs}:$PATH"\n')
    return Instance(tmp_path)


def counted(instance: Instance, good_at: int) -> str:
    """The answer of something that is not right before it was asked so often."""
    return f'[ "$(grep -c -- "$told" "{instance.folder}/told")" -ge {good_at} ]'


def test_an_environment_without_the_owners_secret_migrates_nothing(instance: Instance) -> None:
    done = instance.run("migrate")
    assert done.returncode == 0
    assert "another environment migrates" in done.stdout
    assert not (instance.folder / "told").exists()


def test_the_owners_address_is_given_to_the_migration_alone(instance: Instance) -> None:
    seen = f'echo "$told sees $DATABASE_OWNER_URL" >> "{instance.folder}/seen"'
    instance.answers = {"aws": "echo postgres://owner", "python": seen}
    done = instance.run("migrate", DATABASE_OWNER_SECRET=ARN)
    assert done.returncode == 0, done.stderr
    asked = f"aws secretsmanager get-secret-value --region eu-central-1 --secret-id {ARN}"
    assert instance.told() == [SAFE, f"{asked} --query SecretString --output text", MIGRATE]
    assert (instance.folder / "seen").read_text().splitlines() == [
        f"{SAFE} sees ",
        f"{MIGRATE} sees postgres://owner",
    ]
    assert "postgres://owner" not in done.stdout + done.stderr


@pytest.mark.parametrize("broken", [SAFE, "aws", MIGRATE])
def test_a_deployment_stops_where_its_migration_does(instance: Instance, broken: str) -> None:
    instance.answers = {broken: "exit 3"}
    assert instance.run("migrate", DATABASE_OWNER_SECRET=ARN).returncode == 3
    assert instance.told()[-1].startswith(broken)


def test_a_new_version_waits_for_whoever_migrates(instance: Instance) -> None:
    instance.answers = {LOOK: counted(instance, 3)}
    assert instance.run("check").returncode == 0
    assert instance.told() == [SAFE, LOOK, "sleep 10", LOOK, "sleep 10", LOOK, ROLE]


def test_a_new_version_does_not_wait_for_ever(instance: Instance) -> None:
    instance.answers = {LOOK: "exit 1"}
    done = instance.run("check")
    assert done.returncode == 1
    assert "deploy this version to the environment that has DATABASE_OWNER_SECRET first" in done.stderr
    assert instance.told().count(LOOK) == 30


@pytest.mark.parametrize("broken", [SAFE, ROLE])
def test_settings_or_rights_that_are_unsafe_stop_a_deployment(instance: Instance, broken: str) -> None:
    instance.answers = {broken: "exit 1"}
    assert instance.run("check").returncode == 1
    assert instance.told()[-1] == broken


def answers_of_web(**other: str) -> dict[str, str]:
    """A site that answers as it should, but for what a test changes."""
    headers = "--header Host: data.example.org --header X-Forwarded-For: 127.0.0.1"
    asked = f"curl --silent --show-error --fail --max-time 20 {headers}"
    answers = {
        "plain": (f"{asked} --header X-Forwarded-Proto: http --", "printf 301"),
        "page": (f"{asked} --header X-Forwarded-Proto: https http://127.0.0.1/", f"echo '{PAGE}'"),
        "sheet": (f"{asked} --header X-Forwarded-Proto: https --output", "true"),
    }
    return {told: other.get(name, answer) for name, (told, answer) in answers.items()}


def smoke(instance: Instance, processes: str) -> subprocess.CompletedProcess[str]:
    return instance.run("smoke", PORTAL_PROCESSES=processes, SITE_URL="https://data.example.org")


def test_a_site_that_answers_passes(instance: Instance) -> None:
    instance.answers = answers_of_web()
    done = smoke(instance, "web")
    assert done.returncode == 0, done.stderr
    assert instance.told()[-1].endswith("http://127.0.0.1/assets/portal.0123456789ab.css")
    assert not [told for told in instance.told() if told.startswith("python")]


@pytest.mark.parametrize(
    ("other", "said"),
    [
        ({"plain": "printf 200"}, "http is not sent on to https."),
        ({"page": "exit 22"}, "The first page does not answer."),
        ({"page": "echo '<title>Welcome to nginx</title>'"}, "The first page has no style sheet."),
        ({"sheet": "exit 22"}, "The style sheet of the first page does not answer."),
    ],
)
def test_a_site_that_answers_otherwise_does_not(instance: Instance, other: dict[str, str], said: str) -> None:
    instance.answers = answers_of_web(**other)
    done = smoke(instance, "web")
    assert (done.returncode, done.stderr) == (1, f"{said}\n")


def test_a_process_that_does_not_start_fails_within_a_minute(instance: Instance) -> None:
    instance.answers = {"curl --silent --fail --max-time 5": "exit 7"}
    done = smoke(instance, "worker")
    assert (done.returncode, done.stderr) == (1, "/healthz does not answer.\n")
    assert instance.told().count("sleep 1") == 60


@pytest.mark.parametrize(
    ("good_at", "code", "said"), [(1, 0, ""), (3, 0, ""), (99, 1, "The worker does not answer.\n")]
)
def test_a_worker_must_answer(instance: Instance, good_at: int, code: int, said: str) -> None:
    ping = "python -m celery -A portal.celery inspect ping --timeout 5 --destination worker@ip-10-0-0-1"
    instance.answers = {ping: counted(instance, good_at), "python -c": "echo ip-10-0-0-1"}
    done = smoke(instance, "worker")
    assert (done.returncode, done.stderr) == (code, said)
    assert instance.told().count(ping) == min(good_at, 12)


def test_one_machine_for_all_is_asked_both(instance: Instance) -> None:
    instance.answers = {**answers_of_web(), "python -c": "echo here"}
    assert smoke(instance, "all").returncode == 0
    assert instance.told()[-1].endswith("--destination worker@here")
