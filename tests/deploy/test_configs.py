"""What is refused of the .config files, the templates and the policies in them."""

from pathlib import Path

import pytest

from portal.deployment.check import problems, problems_of_template
from portal.deployment.configs import problems_of_configs
from portal.deployment.options import problems_of
from tests.deploy.project import ROOT

ALARM = """
Resources:
  Alarm:
    Type: AWS::CloudWatch::Alarm
    Properties: {%s}
"""
GOOD = "MetricName: A, Namespace: B, Statistic: Sum, Period: 60, EvaluationPeriods: 1, Threshold: 1"
ABOVE = "ComparisonOperator: GreaterThanThreshold"
POLICY = """
Resources:
  Role:
    Type: AWS::IAM::ManagedPolicy
    Properties:
      PolicyDocument:
        Version: "2012-10-17"
        Statement:
          - {Effect: %s, %s, Resource: "arn:aws:s3:::bucket/*"}
"""


def of(text: str) -> list[str]:
    return list(problems_of_configs({"a.config": text}))


def test_what_the_repository_has_is_sound() -> None:
    assert list(problems(ROOT / "ebextensions")) == []


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "option_settings:\n  aws:ec2:vpc:\n    VPCId: vpc-12345678\n    VPCId: vpc-87654321\n",
            "line 4: the key 'VPCId'",
        ),
        ("container_commands:\n  10_a: &a {command: b}\n  20_a: *a\n", "line 2: there is an anchor or alias (a)"),
        ("option_settings: [\n", "line 2: "),
        ("\tResources: {}\n", "line 1: "),
        ("- a\n", "a.config has no sections."),
        ("files: {}\n", "there is no section 'files'"),
        ("option_settings: [{namespace: a, option_name: b, value: c}]\n", "must be namespaces"),
        ("container_commands: [a]\n", "must be names"),
        ("container_commands:\n  migrate: {command: a}\n", "needs a number in front"),
        ("container_commands:\n  10_a: {command: a, leader: true}\n", "unknown keys: leader"),
        ("container_commands:\n  10_a: {cmd: a}\n", "has nothing to run"),
        ("container_commands:\n  10_a: {command: a, ignoreErrors: true}\n", "must stop at them"),
        ("Resources: []\n", "must be names"),
        ("Resources:\n  Data: {Type: AWS::S3::Bucket}\n", "Data is of AWS::S3::Bucket, which would end"),
        (ALARM % f"{GOOD}, {ABOVE}, Treshold: 2", "'Treshold'"),
        (ALARM % f"{GOOD}, ComparisonOperator: GreaterThan", "'GreaterThan' is not one of"),
        (ALARM % f"{GOOD}, {ABOVE}, AlarmActions: [Ref: Topic]", "'Topic' is not one of"),
    ],
)
def test_a_config_that_is_wrong_is_refused(text: str, said: str) -> None:
    assert any(said in problem for problem in of(text)), of(text)


@pytest.mark.parametrize(
    "kind", ["RDS::DBInstance", "IAM::Role", "SecretsManager::Secret", "ElastiCache::CacheCluster"]
)
def test_what_must_outlive_an_environment_is_no_part_of_one(kind: str) -> None:
    assert f"a.config: A is of AWS::{kind}, which would end" in "\n".join(
        of(f"Resources:\n  A: {{Type: AWS::{kind}}}\n")
    )


def test_two_files_do_not_say_the_same_thing() -> None:
    one, other = "option_settings: {aws:ec2:vpc: {ELBScheme: public}}\n", "container_commands: {10_a: {command: a}}\n"
    found = list(problems_of_configs({"a.config": one + other, "b.config": one + other}))
    assert found == [
        "b.config: 10_a is in a.config already.",
        "b.config: aws:ec2:vpc ELBScheme is in a.config already.",
    ]


@pytest.mark.parametrize(
    ("namespace", "option", "good", "bad"),
    [
        ("aws:elasticbeanstalk:cloudwatch:logs", "RetentionInDays", "90", "91"),
        ("aws:elasticbeanstalk:command", "Timeout", "3600", "3601"),
        ("aws:elasticbeanstalk:command", "DeploymentPolicy", "Immutable", "immutable"),
        ("aws:elasticbeanstalk:environment:process:default", "HealthCheckInterval", "5", "4"),
        ("aws:elasticbeanstalk:environment:process:default", "HealthCheckPath", "/healthz", "healthz"),
        ("aws:elasticbeanstalk:managedactions", "PreferredStartTime", "Sun:03:00", "Sunday:03:00"),
        ("aws:elasticbeanstalk:managedactions:platformupdate", "UpdateLevel", "minor", "major"),
        ("aws:elasticbeanstalk:environment", "LoadBalancerType", "application", "classic"),
        ("aws:elbv2:listener:443", "SSLPolicy", "ELBSecurityPolicy-TLS13-1-2-2021-06", "ELBSecurityPolicy-2016-08"),
        ("aws:elbv2:listener:443", "SSLCertificateArns", "arn:aws:acm:eu-central-1:123456789012:certificate/a", "a"),
        ("aws:elbv2:loadbalancer", "AccessLogsS3Enabled", "false", "true"),
        ("aws:autoscaling:launchconfiguration", "DisableIMDSv1", "true", "false"),
        ("aws:autoscaling:asg", "MinSize", "1", "0"),
        ("aws:autoscaling:asg", "MaxSize", "10000", "many"),
        ("aws:ec2:instances", "InstanceTypes", "t3.small,t3a.small", "t3.small, t3a.small"),
        ("aws:ec2:vpc", "Subnets", "subnet-12345678,subnet-0123456789abcdef0", "subnet-1"),
        ("aws:elasticbeanstalk:application:environment", "SITE_URL", "https://a", "a\nb" * 2_000),
        (
            "aws:elasticbeanstalk:application:environmentsecrets",
            "SECRET_KEY",
            "arn:aws:secretsmanager:eu-central-1:123456789012:secret:portal/production/secret-key-AbCdEf:key",
            "fifty random characters",
        ),
    ],
)
def test_options_have_values_that_they_may_have(namespace: str, option: str, good: str, bad: str) -> None:
    assert list(problems_of(namespace, option, good)) == []
    assert list(problems_of(namespace, option, bad)) == [f"{namespace} {option} cannot be {bad!r}."]


@pytest.mark.parametrize(
    ("namespace", "option", "value", "said"),
    [
        ("aws:autoscaling:asg", "MinimumSize", "1", "has no option MinimumSize"),
        ("aws:autoscaling:launchconfiguration", "InstanceType", "t3.small", "has no option InstanceType"),
        ("aws:autoscaling:agg", "MinSize", "1", "is no namespace"),
        ("aws:elbv2:listener:https", "Protocol", "HTTPS", "is no namespace"),
        ("aws:elasticbeanstalk:command", "Timeout", 600, "quote it"),
        ("aws:elasticbeanstalk:command", "IgnoreHealthCheck", True, "quote it"),
    ],
)
def test_options_that_nobody_looked_up_are_refused(namespace: str, option: str, value: object, said: str) -> None:
    (problem,) = problems_of(namespace, option, value)
    assert said in problem


@pytest.mark.parametrize(
    ("effect", "actions", "said"),
    [
        ("Allow", "Action: s3:GetObject", []),
        ("Deny", "Action: s3:*", []),
        ("Allow", "Action: s3:*", ["allows 's3:*': name each action."]),
        ("Allow", 'Action: [s3:GetObject, "s3:Put?bject"]', ["allows 's3:Put?bject': name each action."]),
        ("Allow", 'Action: "*"', ["allows '*': name each action."]),
        ("Allow", "NotAction: s3:GetObject", ["allows all actions but some: name each action."]),
    ],
)
def test_policies_name_each_action(effect: str, actions: str, said: list[str]) -> None:
    found = [problem.partition("]")[2].strip() for problem in problems_of_template(POLICY % (effect, actions))]
    assert found == said


def test_actions_that_do_not_exist_are_refused() -> None:
    assert any(
        "'getobjekt' is not one of" in problem
        for problem in problems_of_template(POLICY % ("Allow", "Action: s3:GetObjekt"))
    )


def test_templates_of_what_is_durable_are_looked_at_as_well(tmp_path: Path) -> None:
    infra = tmp_path / "infra"
    infra.mkdir()
    (infra / "data.yaml").write_text("Resources:\n  A: {Type: AWS::S3::Buckett}\n")
    (infra / "site.yaml").write_text("Resources:\n  A: {Type: AWS::SNS::Topic}\n  A: {Type: AWS::SNS::Topic}\n")
    data, site = problems(tmp_path)
    assert data.startswith("infra/data.yaml: line 2: ")
    assert "AWS::S3::Buckett" in data
    assert site.startswith("infra/site.yaml: the key 'A' is there twice")
