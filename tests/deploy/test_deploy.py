"""The two commands of a deployment, with something in the place of `aws` that answers and keeps what it was asked."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.deploy.templates import FOLDER, NAMES, ROOT, TEMPLATES

AWS = """#!{python}
import json, jmespath, os, sys
folder, asked = {folder!r}, sys.argv[1:]
with open(folder + "/calls", "a") as calls:
    calls.write(json.dumps(asked) + "\\n")
state = json.load(open(folder + "/state"))
line = " ".join(asked)
def option(name):
    return asked[asked.index(name) + 1]
def queried(found):
    return json.dumps(jmespath.search(option("--query"), found))
answer = ""
if "describe-stacks" in line:
    answer = queried({{"Stacks": state["stacks"]}})
elif "describe-configuration-settings" in line:
    present = state["settings"][option("--environment-name")]
    kept = {{"failed": [], "deployed": present}}
    found = [{{"DeploymentStatus": status, "OptionSettings": kept[status]}} for status in kept]
    answer = queried({{"ConfigurationSettings": found}})
elif "describe-events" in line:
    answer = state["errors"].get(option("--environment-name"), "None")
elif "length(Applications)" in line:
    answer = len(state["applications"])
elif "length(ApplicationVersions)" in line:
    answer = int(option("--version-labels") in state["versions"])
elif "length(Environments)" in line:
    answer = int(option("--environment-names") in state["environments"])
elif "VersionLabel" in line:
    answer = state["environments"][option("--environment-names")]
elif "Environments[0].Status" in line:
    answer = "Ready"
elif "create-storage-location" in line:
    answer = "elasticbeanstalk-store"
elif "list-available-solution-stacks" in line:
    answer = "64bit Amazon Linux 2023 v4.0.0 running Python 3.11"
elif "create-application-version" in line:
    state["versions"].append(option("--version-label"))
elif "create-application" in line:
    state["applications"].append("portal")
elif "create-environment" in line or "update-environment" in line:
    name = option("--environment-name")
    if "update-environment" in line and "--version-label" in asked and "--option-settings" in asked:
        sys.exit("InvalidParameterCombination")
    if "--option-settings" in asked:
        options = json.load(open(option("--option-settings").removeprefix("file://")))
        assert options and all(set(each) == {{"Namespace", "OptionName", "Value"}} for each in options)
        named = {{(each["Namespace"], each["OptionName"]): each for each in state["settings"].get(name, []) + options}}
        state["settings"][name] = list(named.values())
    if "--version-label" in asked and name not in state["broken"]:
        state["environments"][name] = option("--version-label")
json.dump(state, open(folder + "/state", "w"))
print(answer)
"""


def stacks_of(site: str) -> list[dict]:
    return [
        {
            "StackName": f"portal-{site}-{part}",
            "Outputs": [{"OutputKey": name, "OutputValue": f"{site}-{name}"} for name in TEMPLATES[part]["Outputs"]],
        }
        for part in NAMES
    ]


class Account:
    """What is there, and what was asked."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        nothing: dict[str, object] = {"applications": [], "versions": [], "environments": {}, "settings": {}}
        # Another site's stacks begin like this one's.
        stacks = [*stacks_of("production"), *stacks_of("production-trial")]
        self.write(**nothing, broken=[], errors={}, stacks=stacks)
        program = folder / "aws"
        program.write_text(AWS.format(python=sys.executable, folder=str(folder)))
        program.chmod(0o755)
        (folder / "bundle").mkdir()

    def write(self, **state: object) -> None:
        (self.folder / "state").write_text(json.dumps(state))

    def state(self) -> dict:
        return json.loads((self.folder / "state").read_text())

    def calls(self) -> list[str]:
        lines = (self.folder / "calls").read_text().splitlines()
        return [" ".join(json.loads(line)[:2]) for line in lines if "describe" not in line]

    def deploy(self, command: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        environment = {"PATH": f"{self.folder}:{os.environ['PATH']}", "PYTHON": sys.executable, "DEPLOY_PAUSE": "0"}
        line = [str(FOLDER / "deploy"), command, str(FOLDER / "small.json"), *arguments]
        return subprocess.run(line, cwd=self.folder, env=environment, capture_output=True, text=True, check=False)

    def bundle(self, commit: str) -> str:
        made = self.folder / "bundle" / f"portal-{commit}.zip"
        made.write_bytes(b"PK")
        return str(made)


@pytest.fixture
def account(tmp_path: Path) -> Account:
    return Account(tmp_path)


def test_stacks_are_made_in_their_order(account: Account) -> None:
    done = account.deploy("stacks")
    assert done.returncode == 0, done.stderr
    asked = [json.loads(line) for line in (account.folder / "calls").read_text().splitlines()]
    calls = [call for call in asked if "deploy" in call]
    assert [call[call.index("--stack-name") + 1] for call in calls] == [
        "portal-production-data",
        "portal-production-site",
    ]
    for call in calls:
        assert Path(call[call.index("--template-file") + 1]).is_file()
        assert json.loads(Path(call[call.index("--parameter-overrides") + 1].removeprefix("file://")).read_text())


def test_stacks_are_not_deleted_by_mistake(account: Account) -> None:
    assert account.deploy("stacks").returncode == 0
    assert account.calls() == ["cloudformation deploy", "cloudformation update-termination-protection"] * 2


def test_a_first_deployment_makes_the_worker_and_then_the_web(account: Account) -> None:
    done = account.deploy("environments", account.bundle("1111111"))
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [
        "portal-production-worker runs portal-1111111.",
        "portal-production-web runs portal-1111111.",
    ]
    assert account.calls() == [
        "elasticbeanstalk create-application",
        "elasticbeanstalk create-storage-location",
        "s3 cp",
        "elasticbeanstalk create-application-version",
        *["elasticbeanstalk list-available-solution-stacks", "elasticbeanstalk create-environment"] * 2,
    ]


def test_an_upgrade_updates_both_and_going_back_uploads_nothing(account: Account) -> None:
    first, second = account.bundle("1111111"), account.bundle("2222222")
    for bundle in (first, second):
        assert account.deploy("environments", bundle).returncode == 0
    (account.folder / "calls").unlink()
    assert account.deploy("environments", first).returncode == 0
    assert account.calls() == ["elasticbeanstalk update-environment"] * 2
    assert set(account.state()["environments"].values()) == {"portal-1111111"}


def test_the_same_bundle_again_starts_processes_which_read_secrets_anew(account: Account) -> None:
    bundle = account.bundle("1111111")
    assert account.deploy("environments", bundle).returncode == 0
    (account.folder / "calls").unlink()
    assert account.deploy("environments", bundle).returncode == 0
    assert account.calls() == ["elasticbeanstalk update-environment", "elasticbeanstalk restart-app-server"] * 2


def test_environments_are_told_what_their_own_stacks_say(account: Account) -> None:
    assert account.deploy("environments", account.bundle("1111111")).returncode == 0
    told = {each["Value"] for options in account.state()["settings"].values() for each in options}
    assert "production-BucketName" in told
    assert not [value for value in told if value.startswith("production-trial")]


def test_of_options_only_what_differs_is_told_and_before_the_version(account: Account) -> None:
    assert account.deploy("environments", account.bundle("1111111")).returncode == 0
    state = account.state()
    for output in state["stacks"][1]["Outputs"]:
        if output["OutputKey"] == "WebInstancesMax":
            output["OutputValue"] = "9"
    account.write(**state)
    (account.folder / "calls").unlink()
    assert account.deploy("environments", account.bundle("2222222")).returncode == 0
    updates = [line for line in (account.folder / "calls").read_text().splitlines() if "update-environment" in line]
    assert [("--option-settings" in line, "-web" in line) for line in updates] == [
        (False, False),
        (True, True),
        (False, True),
    ]
    assert {each["OptionName"]: each["Value"] for each in account.state()["settings"]["portal-production-web"]}[
        "MaxSize"
    ] == "9"


@pytest.mark.parametrize("number", ["1111111", "2222222"])
def test_what_elastic_beanstalk_calls_an_error_ends_it(account: Account, number: str) -> None:
    """Also of an environment that is made: it has its version, and does not run it."""
    if number == "2222222":
        assert account.deploy("environments", account.bundle("1111111")).returncode == 0
    account.write(**{**account.state(), "errors": {"portal-production-worker": "Command failed on instance."}})
    refused = account.deploy("environments", account.bundle(number))
    assert refused.returncode == 1
    assert "portal-production-worker: Command failed on instance." in refused.stderr
    assert account.state()["environments"].get("portal-production-web") != f"portal-{number}"


def test_a_version_that_the_worker_refuses_never_reaches_the_web(account: Account) -> None:
    assert account.deploy("environments", account.bundle("1111111")).returncode == 0
    account.write(**{**account.state(), "broken": ["portal-production-worker"]})
    refused = account.deploy("environments", account.bundle("2222222"))
    assert refused.returncode == 1
    assert "portal-production-worker does not run portal-2222222" in refused.stderr
    assert set(account.state()["environments"].values()) == {"portal-1111111"}


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("environments",), "Name the bundle that `make bundle` made."),
        (("environments", "nowhere.zip"), "Name the bundle"),
        (("everything",), "There is no command everything"),
    ],
)
def test_what_is_not_understood_asks_nothing_of_the_account(
    account: Account, arguments: tuple[str, ...], sentence: str
) -> None:
    refused = account.deploy(*arguments)
    assert refused.returncode == 1
    assert sentence in refused.stderr
    assert not (account.folder / "calls").exists()


def test_script_is_sound() -> None:
    done = subprocess.run(["shellcheck", FOLDER / "deploy"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.stdout == ""
