"""What the stacks say becomes what the environments are made with."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from portal.deployment.environments import (
    ENVIRONMENTS,
    ONLY,
    PLACES,
    PROPERTIES,
    SECRETS,
    SHARED,
    changed_options,
    options_of,
    place_of,
)
from portal.deployment.options import problems_of
from portal.settings.guard import NAMED_PARTS
from tests.deploy.templates import ROOT, SIZES, TEMPLATES, outputs, resources, statements
from tests.portal.test_production_guard import SAFE, start

READ = re.compile(r'env\.\w+\("([A-Z_]+)"')
SETTINGS = {name for path in (ROOT / "portal" / "settings").glob("*.py") for name in READ.findall(path.read_text())}
# Read by a command of the bundle, and by what starts processes.
BESIDE = {"DATABASE_OWNER_SECRET", "PORTAL_PROCESSES"}
# Set by the bundle's own options, or by hand, each with what is good without it.
NOT_OF_THE_STACKS = {
    *("TRUSTED_PROXY_COUNT", "DATABASE_OWNER_URL"),
    *("DEBUG", "LOG_LEVEL", "GEOIP_DATABASE", "DAILY_BYTES", "SIGNED_LIFETIME", "FIXITY_DAYS"),
    *("ORCID_CLIENT", "GITHUB_CLIENT", "GOOGLE_CLIENT"),
    # A bucket that is not Amazon's.
    *("BUCKET_ENDPOINT_URL", "BUCKET_ACCESS_KEY_ID", "BUCKET_SECRET_ACCESS_KEY"),
}
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
ACCOUNT = "eu-central-1:123456789012"
SECRET = f"arn:aws:secretsmanager:{ACCOUNT}:secret:portal/production/name-AbCdEf"
# What stacks say of an account.
REAL = {
    **{name: SECRET for name in outputs() if name.endswith("Secret")},
    "ServiceRole": "portal-production-site-BeanstalkRole-1A2B3C",
    "WebProfile": "portal-production-site-WebProfile-1A2B3C",
    "WorkerProfile": "portal-production-site-WorkerProfile-1A2B3C",
    "InstanceGroup": "sg-0123456789abcdef0",
    "Vpc": "vpc-0123456789abcdef0",
    "Subnets": "subnet-0123456789abcdef0,subnet-0123456789abcdef1",
    "Certificate": f"arn:aws:acm:{ACCOUNT}:certificate/00000000-0000-0000-0000-000000000000",
    "AlarmsTopic": f"arn:aws:sns:{ACCOUNT}:portal-production-alarms",
    "WorkerDisk": SIZES["small"]["WorkerDiskGigabytes"],
}


@pytest.fixture
def said() -> dict[str, str]:
    return {name: VALUES.get(name, f"the-{name.lower()}") for name in outputs()}


def of(space: str, options: list[dict[str, str]]) -> dict[str, str]:
    return {option["OptionName"]: option["Value"] for option in options if option["Namespace"] == space}


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_every_output_feeds_a_setting_or_has_its_place(said: dict[str, str], environment: str) -> None:
    options = options_of(environment, said)
    assert set(of(PROPERTIES, options)) | set(of(SECRETS, options)) <= SETTINGS | BESIDE
    assert {*SHARED, *PLACES[environment]} <= set(said)
    assert len({(option["Namespace"], option["OptionName"]) for option in options}) == len(options)


def test_every_setting_is_fed_or_stands_by_itself(said: dict[str, str]) -> None:
    options = [option for environment in ENVIRONMENTS for option in options_of(environment, said)]
    fed = set(of(PROPERTIES, options)) | set(of(SECRETS, options))
    assert (fed - BESIDE) | NOT_OF_THE_STACKS == SETTINGS
    assert not fed & NOT_OF_THE_STACKS


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_options_are_ones_that_elastic_beanstalk_takes(environment: str) -> None:
    said = {name: REAL.get(name, SIZES["small"].get(name, f"the-{name.lower()}")) for name in outputs()}
    for option in options_of(environment, said):
        assert list(problems_of(option["Namespace"], option["OptionName"], option["Value"])) == []


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_each_environment_may_read_its_secrets_and_no_others(said: dict[str, str], environment: str) -> None:
    made = {name: resource["Properties"] for name, resource in resources("AWS::SecretsManager::Secret")}
    told = {place_of(output)[1]: each["Value"]["Ref"] for output, each in outputs().items() if is_secret(output)}
    needed = {made[told[name]]["Name"]["Fn::Sub"] for name in of(SECRETS, options_of(environment, said))}

    role = TEMPLATES["site"]["Resources"][f"{environment.capitalize()}Role"]
    (statement,) = (each for each in statements(role) if each["Action"] == "secretsmanager:GetSecretValue")
    named = {part["Ref"] for part in statement["Resource"] if "Ref" in part}
    spelt = [part["Fn::Sub"].partition(":secret:")[2] for part in statement["Resource"] if "Fn::Sub" in part]
    allowed = {made[name]["Name"]["Fn::Sub"] for name in named} | {each.removesuffix("-??????") for each in spelt}
    # Those of others' accounts are made by hand, for who answers people.
    assert allowed - needed == ({"portal/${Environment}/*-client"} if environment == "web" else set())
    assert needed <= allowed


def is_secret(output: str) -> bool:
    return place_of(output)[0] == SECRETS


def test_only_what_differs_is_told() -> None:
    first, second = ({"Namespace": "n", "OptionName": name, "Value": "1"} for name in "ab")
    # Elastic Beanstalk says more of an option, and leaves the value out where there is none.
    present = [{**first, "ResourceName": "r"}, {"Namespace": "n", "OptionName": "b"}, {**second, "Namespace": "m"}]
    assert changed_options([first, second], present) == [second]
    assert changed_options([first], [{**first, "Value": "2"}]) == [first]


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
    assert {"SIGNING_KEY", "SES_EVENTS_TOPIC_ARN"} <= named["web"]
    assert "METRICS_NAMESPACE" in named["worker"]
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
