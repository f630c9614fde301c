"""What is wrong with resources: of CloudFormation's templates, and of the `Resources` in Elastic Beanstalk's files."""

import json
import re
from collections.abc import Iterator
from typing import Any

from cfnlint import lint

# What holds what cannot be made again, or is shared. It would end with the environment whose bundle has it.
DURABLE = re.compile(
    r"AWS::(S3|RDS|DynamoDB|ElastiCache|SecretsManager|IAM|KMS|EFS|Backup|Cognito|EC2|Route53|CertificateManager|SNS|SQS|SES"
    r"|CloudFront|Logs)::.*"
)
# What Elastic Beanstalk's own template has, by the names under which ours speak of it.
STUBS: dict[str, dict[str, Any]] = {
    "AWSEBV2LoadBalancer": {
        "Type": "AWS::ElasticLoadBalancingV2::LoadBalancer",
        "Properties": {"Type": "application", "Subnets": ["subnet-0123456789abcdef0", "subnet-0123456789abcdef1"]},
    },
}


def wildcard_actions(found: Any, where: str = "") -> Iterator[str]:
    """Each statement of a policy, wherever it stands, that allows actions by a pattern, or all but some."""
    if isinstance(found, list):
        for number, part in enumerate(found):
            yield from wildcard_actions(part, f"{where}[{number}]")
    elif isinstance(found, dict):
        if found.get("Effect") == "Allow":
            actions = found.get("Action", [])
            for action in actions if isinstance(actions, list) else [actions]:
                if not isinstance(action, str) or "*" in action or "?" in action:
                    yield f"{where} allows {action!r}: name each action."
            if "NotAction" in found:
                yield f"{where} allows all actions but some: name each action."
        for name, part in found.items():
            yield from wildcard_actions(part, f"{where}.{name}" if where else str(name))


def durable_resources(resources: dict[str, Any]) -> Iterator[str]:
    for name, resource in resources.items():
        kind = resource.get("Type", "") if isinstance(resource, dict) else ""
        if DURABLE.fullmatch(str(kind)):
            yield f"{name} is of {kind}, which would end with the environment: put it into ebextensions/infra/."


def lint_template(text: str) -> list[str]:
    """What cfn-lint says of a template, in a region that has everything."""
    return [f"line {match.linenumber}: {match.message} ({match.rule.id})" for match in lint(text)]


def lint_resources(resources: dict[str, Any]) -> list[str]:
    """What cfn-lint says of resources of .config files, with what Elastic Beanstalk puts beside them."""
    parameters: dict[str, Any] = {"AWSEBEnvironmentName": {"Type": "String"}}
    ours = _with_options_as_parameters(resources, parameters)
    template = {
        "AWSTemplateFormatVersion": "2010-09-09",
        "Parameters": parameters,
        "Resources": {**STUBS, **ours},
        # Whatever is not used would be told of.
        "Outputs": {name: {"Value": {"Ref": name}} for name in (*parameters, *STUBS)},
    }
    return [problem.partition(": ")[2] for problem in lint_template(json.dumps(template))]


def _with_options_as_parameters(found: Any, parameters: dict[str, Any]) -> Any:
    """Fn::GetOptionSetting is Elastic Beanstalk's own; for CloudFormation what it gives is a parameter's value."""
    if isinstance(found, list):
        return [_with_options_as_parameters(part, parameters) for part in found]
    if not isinstance(found, dict):
        return found
    option = found.get("Fn::GetOptionSetting")
    if isinstance(option, dict):
        name = "Option" + re.sub(r"[^A-Za-z0-9]", "", str(option.get("OptionName")))
        parameters[name] = {"Type": "String", "Default": str(option.get("DefaultValue", ""))}
        return {"Ref": name}
    return {name: _with_options_as_parameters(part, parameters) for name, part in found.items()}
