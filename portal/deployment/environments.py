"""What the two environments of Elastic Beanstalk are made with, out of what the stacks of ebextensions/infra say.

    aws cloudformation describe-stacks --output json \\
      --query "Stacks[?starts_with(StackName, 'portal-production-')].Outputs[]" > outputs.json
    python -m portal.deployment.environments outputs.json

writes web.json and worker.json beside it, for `aws elasticbeanstalk create-environment --option-settings file://web.json`.
There is no secret in them: only where each lies.
"""

import json
import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

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
    "ServiceRole": [("aws:elasticbeanstalk:environment", "ServiceRole")],
    "InstanceGroup": [(LAUNCH, "SecurityGroups")],
    "Vpc": [(NETWORK, "VPCId")],
    "Subnets": [(NETWORK, "Subnets"), (NETWORK, "ELBSubnets")],
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


def options_of(environment: str, outputs: Mapping[str, str]) -> list[dict[str, str]]:
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


def main(path: Path) -> None:
    outputs = {each["OutputKey"]: each["OutputValue"] for each in json.loads(path.read_text())}
    missing = {name for environment in ENVIRONMENTS for name in {**SHARED, **PLACES[environment]}} - set(outputs)
    if missing:
        sys.exit(f"{path} lacks {', '.join(sorted(missing))}: does it have the outputs of both stacks?")
    for environment in ENVIRONMENTS:
        written = path.with_name(f"{environment}.json")
        written.write_text(json.dumps(options_of(environment, outputs), indent=2) + "\n")
        sys.stdout.write(f"{written}\n")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python -m portal.deployment.environments OUTPUTS.json")
    main(Path(sys.argv[1]))
