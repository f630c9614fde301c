"""What the two environments of Elastic Beanstalk are made with, out of what the stacks of ebextensions/infra say.

    aws cloudformation describe-stacks --output json > outputs.json \\
      --query "Stacks[?StackName=='portal-production-data' || StackName=='portal-production-site'].Outputs[]"
    python -m portal.deployment.environments outputs.json

writes web.json and worker.json beside it, for `aws elasticbeanstalk create-environment --option-settings file://web.json`.
There is no secret in them: only where each lies.

    python -m portal.deployment.environments web.json present.json

says which options of web.json an environment does not have yet, where present.json says what it has: a network that is
named again is looked at as one that changed.
"""

import json
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

Option = dict[str, str]
WEB, WORKER = "web", "worker"
ENVIRONMENTS = (WEB, WORKER)
PROPERTIES = "aws:elasticbeanstalk:application:environment"
SECRETS = "aws:elasticbeanstalk:application:environmentsecrets"
OWN = "aws:elasticbeanstalk:customoption"
LAUNCH = "aws:autoscaling:launchconfiguration"
GROUP = "aws:autoscaling:asg"
NETWORK = "aws:ec2:vpc"
INSTANCES = "aws:ec2:instances"
# Where each output goes that is no property of the site: in both environments, or in one.
SHARED = {
    "ServiceRole": [
        ("aws:elasticbeanstalk:environment", "ServiceRole"),
        ("aws:elasticbeanstalk:managedactions", "ServiceRoleForManagedUpdates"),
    ],
    "InstanceGroup": [(LAUNCH, "SecurityGroups")],
    "Vpc": [(NETWORK, "VPCId")],
    "Subnets": [(NETWORK, "Subnets"), (NETWORK, "ELBSubnets")],
    "PublicAddresses": [(NETWORK, "AssociatePublicIpAddress")],
    "Certificate": [("aws:elbv2:listener:443", "SSLCertificateArns")],
    "AlarmsTopic": [(OWN, "AlarmTopic")],
}
PLACES = {
    WEB: {
        "WebProfile": [(LAUNCH, "IamInstanceProfile")],
        "WebInstanceType": [(INSTANCES, "InstanceTypes")],
        "WebInstancesMin": [(GROUP, "MinSize")],
        "WebInstancesMax": [(GROUP, "MaxSize")],
    },
    WORKER: {
        "WorkerProfile": [(LAUNCH, "IamInstanceProfile")],
        "WorkerInstanceType": [(INSTANCES, "InstanceTypes")],
        "WorkerInstances": [(GROUP, "MinSize"), (GROUP, "MaxSize")],
        "WorkerDisk": [(LAUNCH, "RootVolumeSize")],
    },
}
# Properties and secrets that one environment alone is told of.
ONLY = {
    "SIGNING_KEY": WEB,
    "SES_EVENTS_TOPIC_ARN": WEB,
    "DATABASE_OWNER_SECRET": WORKER,
    "METRICS_NAMESPACE": WORKER,
}
# The name of a secret that the site itself does not read: a container command does, for one command.
NAMED = {"DATABASE_OWNER_SECRET"}
# Nobody but the health check asks a worker anything; and its numbers must not stop.
FIXED = {
    WEB: [(PROPERTIES, "PORTAL_PROCESSES", WEB)],
    WORKER: [
        (PROPERTIES, "PORTAL_PROCESSES", WORKER),
        (NETWORK, "ELBScheme", "internal"),
        (OWN, "SilentWork", "breaching"),
    ],
}
# For whoever keeps the DNS.
ELSEWHERE = "Dns"


def options_of(environment: str, outputs: Mapping[str, str]) -> list[Option]:
    """The option settings of one environment, in the form in which Elastic Beanstalk takes them."""
    found = [*FIXED[environment], *_options(environment, outputs)]
    return [{"Namespace": space, "OptionName": name, "Value": value} for space, name, value in sorted(found)]


def _options(environment: str, outputs: Mapping[str, str]) -> Iterator[tuple[str, str, str]]:
    places = {**SHARED, **PLACES[environment]}
    others = {name for other in ENVIRONMENTS if other != environment for name in PLACES[other]}
    for output, value in outputs.items():
        if output in places:
            yield from ((space, name, value) for space, name in places[output])
        elif output not in others and not output.startswith(ELSEWHERE):
            space, name = place_of(output)
            if ONLY.get(name, environment) == environment:
                yield space, name, value


def place_of(output: str) -> tuple[str, str]:
    """BucketName is the property BUCKET_NAME; DatabaseUrlSecret is where the value of DATABASE_URL lies."""
    name = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", output).upper()
    if name.endswith("_SECRET") and name not in NAMED:
        return SECRETS, name.removesuffix("_SECRET")
    return PROPERTIES, name


def changed_options(options: Sequence[Option], present: Sequence[Option]) -> list[Option]:
    """Those that are not so already. What is there beside them stays: somebody may have set it by hand."""
    there = {(option["Namespace"], option["OptionName"]): option.get("Value") for option in present}
    return [option for option in options if there.get((option["Namespace"], option["OptionName"])) != option["Value"]]


def write_options(path: Path) -> None:
    outputs = {each["OutputKey"]: each["OutputValue"] for each in json.loads(path.read_text())}
    missing = {name for environment in ENVIRONMENTS for name in {**SHARED, **PLACES[environment]}} - set(outputs)
    if missing:
        sys.exit(f"{path} lacks {', '.join(sorted(missing))}: does it have the outputs of both stacks?")
    for environment in ENVIRONMENTS:
        written = path.with_name(f"{environment}.json")
        written.write_text(json.dumps(options_of(environment, outputs), indent=2) + "\n")
        sys.stdout.write(f"{written}\n")


def main(paths: Sequence[Path]) -> None:
    match paths:
        case [outputs]:
            write_options(outputs)
        case [options, present]:
            changed = changed_options(json.loads(options.read_text()), json.loads(present.read_text()))
            sys.stdout.write(json.dumps(changed, indent=2) + "\n")
        case _:
            sys.exit("usage: python -m portal.deployment.environments OUTPUTS.json | OPTIONS.json PRESENT.json")


if __name__ == "__main__":
    main([Path(argument) for argument in sys.argv[1:]])
