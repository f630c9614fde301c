"""The options of Elastic Beanstalk that this project uses, and which values they may have.

There is no list of them that a machine could ask; Elastic Beanstalk itself refuses a wrong one only when it deploys. So
this table is the list: from the provider's pages "General options for all environments" and "Python platform options".
An option that is not here is refused until somebody has looked it up and written it down.
"""

import re
from collections.abc import Callable, Iterator
from typing import Any

Rule = Callable[[str], bool]


def one_of(*words: str) -> Rule:
    return lambda value: value in words


def between(least: int, most: int) -> Rule:
    return lambda value: re.fullmatch(r"-?\d+", value) is not None and least <= int(value) <= most


def like(pattern: str) -> Rule:
    return lambda value: re.fullmatch(pattern, value) is not None


def each(rule: Rule) -> Rule:
    return lambda value: all(rule(part) for part in value.split(","))


SWITCH = one_of("true", "false")
PORT = between(1, 65_535)
RETENTION = one_of(*(str(days) for days in (1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1827, 3653)))
ARN = like(r"arn:aws[a-z-]*:[a-z0-9-]+:[a-z0-9-]*:\d{0,12}:\S+")
SECRET = like(r"arn:aws[a-z-]*:(secretsmanager:[a-z0-9-]+:\d{12}:secret:\S+|ssm:[a-z0-9-]+:\d{12}:parameter/\S+)")
IDS = {kind: each(like(kind + r"-[0-9a-f]{8,17}")) for kind in ("vpc", "subnet", "sg")}
NAME = like(r"[\w+=,.@:/-]+")
MINUTES = like(r"PT\d{1,2}M|PT1H(\d{1,2}M)?")

PROCESS = "aws:elasticbeanstalk:environment:process:"
LISTENER = "aws:elbv2:listener:"
# Names of one's own stand in these, with any value.
FREE = {
    "aws:elasticbeanstalk:application:environment": (like(r"[A-Z][A-Z0-9_]*"), like(r"(?s).{0,4096}")),
    "aws:elasticbeanstalk:application:environmentsecrets": (like(r"[A-Z][A-Z0-9_]*"), SECRET),
    "aws:elasticbeanstalk:customoption": (like(r"[A-Za-z][A-Za-z0-9]*"), like(r".+")),
}
KNOWN: dict[str, dict[str, Rule]] = {
    "aws:autoscaling:asg": {
        "Availability Zones": one_of("Any", "Any 1", "Any 2", "Any 3"),
        "Cooldown": between(0, 10_000),
        "MinSize": between(1, 10_000),
        "MaxSize": between(1, 10_000),
        "EnableCapacityRebalancing": SWITCH,
    },
    "aws:autoscaling:launchconfiguration": {
        "DisableIMDSv1": one_of("true"),
        "IamInstanceProfile": NAME,
        "MonitoringInterval": one_of("1 minute", "5 minute"),
        "RootVolumeSize": between(10, 16_384),
        "RootVolumeType": one_of("gp2", "gp3", "io1", "io2"),
        "RootVolumeIOPS": between(100, 20_000),
        "RootVolumeThroughput": between(125, 1_000),
        "SecurityGroups": IDS["sg"],
        "DisableDefaultEC2SecurityGroup": SWITCH,
    },
    "aws:autoscaling:trigger": {
        "BreachDuration": between(1, 600),
        "EvaluationPeriods": between(1, 600),
        "LowerBreachScaleIncrement": between(-100, 0),
        "LowerThreshold": between(0, 20_000_000),
        "MeasureName": one_of(
            "CPUUtilization", "NetworkIn", "NetworkOut", "Latency", "RequestCount", "HealthyHostCount",
            "UnhealthyHostCount", "TargetResponseTime",
        ),
        "Period": between(1, 600),
        "Statistic": one_of("Minimum", "Maximum", "Sum", "Average"),
        "Unit": one_of("Seconds", "Percent", "Bytes", "Bits", "Count", "Bytes/Second", "Bits/Second", "Count/Second"),
        "UpperBreachScaleIncrement": between(0, 100),
        "UpperThreshold": between(0, 20_000_000),
    },
    "aws:autoscaling:updatepolicy:rollingupdate": {
        "RollingUpdateEnabled": SWITCH,
        "RollingUpdateType": one_of("Time", "Health", "Immutable"),
        "MaxBatchSize": between(1, 10_000),
        "MinInstancesInService": between(0, 9_999),
        "PauseTime": MINUTES,
        "Timeout": MINUTES,
    },
    "aws:ec2:instances": {
        "EnableSpot": SWITCH,
        "InstanceTypes": each(like(r"[a-z][a-z0-9-]*\.[a-z0-9-]+")),
        "SupportedArchitectures": each(one_of("x86_64", "arm64")),
    },
    "aws:ec2:vpc": {
        "AssociatePublicIpAddress": SWITCH,
        "ELBScheme": one_of("public", "internal"),
        "ELBSubnets": IDS["subnet"],
        "Subnets": IDS["subnet"],
        "VPCId": IDS["vpc"],
    },
    "aws:elasticbeanstalk:cloudwatch:logs": {
        "DeleteOnTerminate": SWITCH,
        "RetentionInDays": RETENTION,
        "StreamLogs": SWITCH,
    },
    "aws:elasticbeanstalk:cloudwatch:logs:health": {
        "DeleteOnTerminate": SWITCH,
        "HealthStreamingEnabled": SWITCH,
        "RetentionInDays": RETENTION,
    },
    "aws:elasticbeanstalk:command": {
        "BatchSize": between(1, 100),
        "BatchSizeType": one_of("Percentage", "Fixed"),
        "DeploymentPolicy": one_of(
            "AllAtOnce", "Rolling", "RollingWithAdditionalBatch", "Immutable", "TrafficSplitting",
        ),
        "IgnoreHealthCheck": SWITCH,
        "Timeout": between(1, 3_600),
    },
    "aws:elasticbeanstalk:environment": {
        "EnvironmentType": one_of("SingleInstance", "LoadBalanced"),
        "LoadBalancerType": one_of("application"),
        "ServiceRole": NAME,
    },
    "aws:elasticbeanstalk:environment:proxy": {"ProxyServer": one_of("nginx")},
    "aws:elasticbeanstalk:healthreporting:system": {
        "EnhancedHealthAuthEnabled": SWITCH,
        "HealthCheckSuccessThreshold": one_of("Ok", "Warning", "Degraded", "Severe"),
        "SystemType": one_of("basic", "enhanced"),
    },
    "aws:elasticbeanstalk:hostmanager": {"LogPublicationControl": SWITCH},
    "aws:elasticbeanstalk:managedactions": {
        "ManagedActionsEnabled": SWITCH,
        "PreferredStartTime": like(r"(Sun|Mon|Tue|Wed|Thu|Fri|Sat):([01]\d|2[0-3]):[0-5]\d"),
        "ServiceRoleForManagedUpdates": NAME,
    },
    "aws:elasticbeanstalk:managedactions:platformupdate": {
        "InstanceRefreshEnabled": SWITCH,
        "UpdateLevel": one_of("patch", "minor"),
    },
    "aws:elbv2:loadbalancer": {
        # Its own logs would have the tokens of links in them.
        "AccessLogsS3Enabled": one_of("false"),
        "IdleTimeout": between(1, 4_000),
        "ManagedSecurityGroup": IDS["sg"],
        "SecurityGroups": IDS["sg"],
    },
}  # fmt: skip
OF_PROCESSES: dict[str, Rule] = {
    "DeregistrationDelay": between(0, 3_600),
    "HealthCheckInterval": between(5, 300),
    "HealthCheckPath": like(r"/\S*"),
    "HealthCheckTimeout": between(2, 120),
    "HealthyThresholdCount": between(2, 10),
    "MatcherHTTPCode": like(r"\d{3}([,-]\d{3})*"),
    "Port": PORT,
    "Protocol": one_of("HTTP", "HTTPS"),
    "StickinessEnabled": SWITCH,
    "StickinessLBCookieDuration": between(1, 604_800),
    "UnhealthyThresholdCount": between(2, 10),
}
OF_LISTENERS: dict[str, Rule] = {
    "DefaultProcess": like(r"[a-z0-9]+"),
    "ListenerEnabled": SWITCH,
    "Protocol": one_of("HTTP", "HTTPS"),
    "SSLCertificateArns": ARN,
    "SSLPolicy": like(r"ELBSecurityPolicy-TLS13-[0-9A-Za-z-]+"),
}


def rules_of(namespace: str) -> dict[str, Rule] | None:
    if namespace.startswith(PROCESS):
        return OF_PROCESSES
    if namespace.startswith(LISTENER) and PORT(namespace.removeprefix(LISTENER)):
        return OF_LISTENERS
    return KNOWN.get(namespace)


def problems_of(namespace: str, option: str, value: Any) -> Iterator[str]:
    """What is wrong with one option, a sentence each."""
    if not isinstance(value, str):
        yield f"{namespace} {option} is {value!r}, which YAML does not read as text: quote it."
    elif namespace in FREE:
        name_is_good, value_is_good = FREE[namespace]
        if not name_is_good(option) or not value_is_good(value):
            yield f"{namespace} {option} cannot be {value!r}."
    elif (rules := rules_of(namespace)) is None:
        yield f"{namespace} is no namespace that portal/deployment/options.py knows."
    elif option not in rules:
        yield f"{namespace} has no option {option} that portal/deployment/options.py knows."
    elif not rules[option](value):
        yield f"{namespace} {option} cannot be {value!r}."


def problems_of_settings(settings: Any) -> Iterator[str]:
    """The same of a whole `option_settings`, which is a mapping of namespaces here."""
    if not isinstance(settings, dict) or not all(isinstance(options, dict) for options in settings.values()):
        yield "option_settings must be namespaces, each with its options."
        return
    for namespace, options in settings.items():
        for option, value in options.items():
            yield from problems_of(str(namespace), str(option), value)
