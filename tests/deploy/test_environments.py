"""What the stacks say becomes what the environments are made with."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from portal.deployment.environments import ENVIRONMENTS, ONLY, PLACES, PROPERTIES, SECRETS, SHARED, options_of, place_of
from portal.settings.guard import NAMED_PARTS
from tests.deploy.templates import ROOT, outputs
from tests.portal.test_production_guard import SAFE, start

READ = re.compile(r'env\.\w+\("([A-Z_]+)"')
SETTINGS = {name for path in (ROOT / "portal" / "settings").glob("*.py") for name in READ.findall(path.read_text())}
# Read by commands of the bundle, by what counts work, and by the page that SES tells of bounces.
BESIDE = {"DATABASE_OWNER_SECRET", "METRICS_NAMESPACE", "SES_EVENTS_TOPIC_ARN"}
# What settings with a check of their own want.
VALUES = {
    "SiteUrl": SAFE["SITE_URL"],
    "AllowedHosts": SAFE["ALLOWED_HOSTS"],
    "EmailUrl": "ses://eu-central-1/portal-production",
    "DownloadHost": "files.example.org",
    "AddressDays": "90",
    "WebInstancesMin": "1",
    "BucketRegion": "eu-central-1",
}


@pytest.fixture
def said() -> dict[str, str]:
    return {name: VALUES.get(name, f"the-{name.lower()}") for name in outputs()}


def of(space: str, options: list[dict[str, str]]) -> dict[str, str]:
    return {option["OptionName"]: option["Value"] for option in options if option["Namespace"] == space}


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_every_output_feeds_a_setting_or_has_its_place(said: dict[str, str], environment: str) -> None:
    options = options_of(environment, said)
    assert set(of(PROPERTIES, options)) | set(of(SECRETS, options)) <= SETTINGS | BESIDE | {"PORTAL_PROCESSES"}
    assert {*SHARED, *PLACES[environment]} <= set(said)
    assert len({(option["Namespace"], option["OptionName"]) for option in options}) == len(options)


def test_web_server_starts_on_what_it_is_given(said: dict[str, str]) -> None:
    options = options_of("web", said)
    properties, secrets = of(PROPERTIES, options), of(SECRETS, options)
    given = {name: SAFE.get(name, "id:secret") for name in secrets} | properties
    given["SECRET_KEY_FALLBACKS"] = SAFE["SECRET_KEY"][::-1]
    assert {*NAMED_PARTS, "SECRET_KEY", "LINK_KEYS", "SIGNING_KEY", "ALLOWED_HOSTS", "SITE_URL"} <= set(given)
    nothing: dict[str, str | None] = dict.fromkeys(SAFE)
    assert start({**nothing, **given, "TRUSTED_PROXY_COUNT": "2"}).stderr == ""


def test_each_environment_is_told_no_more_than_it_needs(said: dict[str, str]) -> None:
    named = {each: {option["OptionName"] for option in options_of(each, said)} for each in ENVIRONMENTS}
    for name, environment in ONLY.items():
        assert {each for each in ENVIRONMENTS if name in named[each]} == {environment}
    assert "SIGNING_KEY" in named["web"]
    assert "DATABASE_OWNER_SECRET" in named["worker"]


@pytest.mark.parametrize(
    ("output", "place"),
    [
        ("BucketName", (PROPERTIES, "BUCKET_NAME")),
        ("SesEventsTopicArn", (PROPERTIES, "SES_EVENTS_TOPIC_ARN")),
        ("SecretKeySecret", (SECRETS, "SECRET_KEY")),
        ("SecretKeyFallbacksSecret", (SECRETS, "SECRET_KEY_FALLBACKS")),
        ("DatabaseOwnerSecret", (PROPERTIES, "DATABASE_OWNER_SECRET")),
    ],
)
def test_names_follow_from_names(output: str, place: tuple[str, str]) -> None:
    assert place_of(output) == place


def write(path: Path, said: dict[str, str]) -> subprocess.CompletedProcess[str]:
    path.write_text(json.dumps([{"OutputKey": name, "OutputValue": value} for name, value in said.items()]))
    command = [sys.executable, "-m", "portal.deployment.environments", str(path)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def test_command_writes_a_file_for_each_environment(said: dict[str, str], tmp_path: Path) -> None:
    assert write(tmp_path / "outputs.json", said).returncode == 0
    for environment in ENVIRONMENTS:
        assert json.loads((tmp_path / f"{environment}.json").read_text()) == options_of(environment, said)


def test_outputs_of_one_stack_alone_are_not_enough(said: dict[str, str], tmp_path: Path) -> None:
    del said["WebProfile"]
    refused = write(tmp_path / "outputs.json", said)
    assert refused.returncode == 1
    assert "lacks WebProfile: does it have the outputs of both stacks?" in refused.stderr
