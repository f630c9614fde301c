"""The templates of ebextensions/infra: rights, what outlives what, and keys that follow one another."""

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cfnlint.schema.manager import PROVIDER_SCHEMA_MANAGER

from tests.deploy.templates import (
    FOLDER,
    NAMES,
    ROOT,
    SIZES,
    TEMPLATES,
    Given,
    listed,
    parameters,
    resources,
    statements,
)

# Where an API knows no resource, so that IAM takes no other than *: and why that is little.
WITHOUT_RESOURCE = {
    "cloudwatch:PutMetricData": "only into the site's own namespace, which the condition says",
    "ssm:UpdateInstanceInformation": "the agent of Session Manager, about its own instance",
    "ssmmessages:CreateControlChannel": "the same",
    "ssmmessages:CreateDataChannel": "the same",
    "ssmmessages:OpenControlChannel": "the same",
    "ssmmessages:OpenDataChannel": "the same",
}
ALLOWED = [
    (name, statement)
    for name, resource in resources()
    for statement in statements(resource)
    if statement["Effect"] == "Allow"
]
# When it is deleted, and when another takes its place. A creation that failed leaves no name that the next would need.
RETAINED = ("RetainExceptOnCreate", "Retain")
# What nobody can make again, and what CloudFormation must do instead of deleting it.
DURABLE = {
    "AWS::S3::Bucket": RETAINED,
    "AWS::S3::BucketPolicy": RETAINED,
    "AWS::RDS::DBInstance": ("Snapshot", "Snapshot"),
    "AWS::SES::EmailIdentity": RETAINED,
}
# What each call of datasets.storage needs of IAM. A URL is signed without asking; only sample data is uploaded so.
CALLS = {
    "delete_objects": ["s3:DeleteObject"],
    "generate_presigned_url": [],
    "get_object": ["s3:GetObject"],
    "head_object": ["s3:GetObject"],
    "list_objects_v2": ["s3:ListBucket"],
    "put_object": ["s3:PutObject"],
    "upload_file": ["s3:PutObject"],
}
KEYS = {"SecretKeys": "SecretKey", "LinkKeys": "LinkKey", "SigningKeys": "SigningKey"}


def by_name(kind: str) -> dict[str, Any]:
    return dict(resources(kind))


def allowed_to(role: str) -> list[dict[str, Any]]:
    return [statement for name, statement in ALLOWED if name == role and "sts:AssumeRole" not in statement["Action"]]


def actions_of(role: str) -> set[str]:
    return {action for statement in allowed_to(role) for action in listed(statement["Action"])}


def value_at(resource: dict[str, Any], path: str) -> Any:
    """Of a path such as /properties/Budget/BudgetName."""
    found = resource.get("Properties", {})
    for part in path.split("/")[2:]:
        found = found.get(part) if isinstance(found, dict) else None
    return found


def parameters_in(found: Any) -> Iterator[str]:
    if isinstance(found, dict):
        for verb, part in found.items():
            names = re.findall(r"\$\{(\w+)\}", str(part)) if verb == "Fn::Sub" else [part] if verb == "Ref" else []
            yield from (name for name in names if name in parameters())
            yield from parameters_in(part)
    elif isinstance(found, list):
        for part in found:
            yield from parameters_in(part)


class TestRights:
    @pytest.mark.parametrize(("name", "statement"), ALLOWED)
    def test_no_statement_allows_what_it_does_not_name(self, name: str, statement: dict[str, Any]) -> None:
        assert "NotAction" not in statement, name
        assert "NotResource" not in statement, name
        actions = listed(statement["Action"])
        assert not [action for action in actions if "*" in action or "?" in action]
        if "*" in listed(statement.get("Resource", [])):
            assert set(actions) <= set(WITHOUT_RESOURCE)

    def test_numbers_go_into_one_namespace(self) -> None:
        (statement,) = (each for _name, each in ALLOWED if "cloudwatch:PutMetricData" in listed(each["Action"]))
        assert set(statement["Condition"]) == {"StringEquals"}
        assert list(statement["Condition"]["StringEquals"]) == ["cloudwatch:namespace"]

    def test_policies_of_others_are_had_by_elastic_beanstalk_alone(self) -> None:
        others = {name for name, role in resources("AWS::IAM::Role") if "ManagedPolicyArns" in role["Properties"]}
        assert others == {"BeanstalkRole"}

    def test_the_web_server_lists_nothing_writes_nothing_and_sends_nothing(self) -> None:
        assert actions_of("WebRole") == {
            "s3:GetObject",
            "s3:GetObjectVersion",
            "s3:ListBucket",
            "secretsmanager:GetSecretValue",
        }
        assert not Given(TEMPLATES["site"]).holds("WebLists")
        lists = [each for each in allowed_to("WebRole") if each["Action"] == "s3:ListBucket"]
        assert [each.get("Condition") for each in lists] == [{"StringEquals": {"s3:prefix": "readyz/"}}, None]
        web = TEMPLATES["site"]["Resources"]["WebRole"]["Properties"]["Policies"][0]["PolicyDocument"]["Statement"]
        assert [each["Fn::If"][0] for each in web if "Fn::If" in each] == ["WebLists"]

    def test_the_worker_may_do_what_the_site_asks_of_buckets_and_no_more(self) -> None:
        code = (ROOT / "datasets" / "storage" / "__init__.py").read_text()
        asked = set(re.findall(r"(?:client|_probe)\.(\w+)\(", code)) | set(
            re.findall(r'get_paginator\("(\w+)"\)', code)
        )
        assert asked - {"get_paginator"} == set(CALLS)
        needed = {action for name in CALLS for action in CALLS[name]}
        # Of one version, and of an anchor that is locked.
        assert {*needed, "s3:GetObjectVersion", "s3:PutObjectRetention"} == {
            action for action in actions_of("WorkerRole") if action.startswith("s3:")
        }

    def test_only_the_worker_becomes_the_owner_of_the_tables(self) -> None:
        having = {name for name, each in ALLOWED if "MasterUserSecret" in str(each.get("Resource"))}
        assert having == {"WorkerRole"}

    def test_only_the_web_server_signs_links(self) -> None:
        assert {name for name, each in ALLOWED if "signing-key" in str(each.get("Resource"))} == {"WebRole"}

    def test_who_signs_links_reads_the_data_over_tls_and_nothing_else(self) -> None:
        (statement,) = allowed_to("LinkSigner")
        assert statement["Action"] == ["s3:GetObject", "s3:GetObjectVersion"]
        assert statement["Resource"] == {"Fn::Sub": "${DataBucket.Arn}/*"}
        assert statement["Condition"] == {"Bool": {"aws:SecureTransport": "true"}}

    def test_nobody_deletes_data_or_evidence(self) -> None:
        deleting = [each for _name, each in ALLOWED if {*listed(each["Action"])} & {"s3:DeleteObject"}]
        assert ["PreviewBucketName" in str(each["Resource"]) for each in deleting] == [True]
        assert not [each for _name, each in ALLOWED if "s3:DeleteObjectVersion" in listed(each["Action"])]
        writing = [each for _name, each in ALLOWED if "s3:PutObject" in listed(each["Action"])]
        assert not [each for each in writing if "-BucketName" in str(each["Resource"])]

    def test_mail_is_sent_from_one_address(self) -> None:
        (statement,) = (each for _name, each in ALLOWED if "ses:SendRawEmail" in listed(each["Action"]))
        assert statement["Condition"] == {"StringEquals": {"ses:FromAddress": {"Ref": "MailFrom"}}}
        # In the sandbox SES asks for the same right to each address that receives.
        identities, _configuration = (part["Fn::Sub"].rpartition(":")[2] for part in statement["Resource"])
        assert identities == "identity/*"

    def test_services_may_speak_for_this_account_alone(self) -> None:
        services = [each for _name, each in ALLOWED if "Service" in each.get("Principal", {})]
        told = {each["Principal"]["Service"]: str(each.get("Condition")) for each in services}
        # Instances are the account's own; Elastic Beanstalk names itself in its own way.
        assert "sts:ExternalId" in told.pop("elasticbeanstalk.amazonaws.com")
        assert told.pop("ec2.amazonaws.com") == "None"
        assert set(told) == {"logging.s3.amazonaws.com", "ses.amazonaws.com", "cloudwatch.amazonaws.com"}
        for condition in told.values():
            assert "aws:SourceAccount" in condition


class TestBuckets:
    @pytest.mark.parametrize("name", by_name("AWS::S3::Bucket"))
    def test_it_is_private_encrypted_and_reached_over_tls_alone(self, name: str) -> None:
        told = by_name("AWS::S3::Bucket")[name]["Properties"]
        assert set(told["PublicAccessBlockConfiguration"].values()) == {True}
        assert len(told["PublicAccessBlockConfiguration"]) == 4
        assert told["OwnershipControls"] == {"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]}
        assert "AES256" in str(told["BucketEncryption"])
        policy = by_name("AWS::S3::BucketPolicy")[f"{name}Policy"]["Properties"]
        assert policy["Bucket"] == {"Ref": name}
        refused = [each for each in statements(policy) if each["Effect"] == "Deny"]
        assert {"Bool": {"aws:SecureTransport": "false"}} in [each["Condition"] for each in refused]
        for statement in refused:
            assert (statement["Principal"], statement["Action"]) == ("*", "s3:*")
            assert [part["Fn::Sub"] for part in statement["Resource"]] == [f"${{{name}.Arn}}", f"${{{name}.Arn}}/*"]

    def test_the_data_takes_new_signatures_of_version_four_alone(self) -> None:
        policy = by_name("AWS::S3::BucketPolicy")["DataBucketPolicy"]
        conditions = [each["Condition"] for each in statements(policy)]
        assert {"StringNotEquals": {"s3:signatureversion": "AWS4-HMAC-SHA256"}} in conditions
        assert {"NumericGreaterThan": {"s3:signatureAge": str(7 * 86_400 * 1_000)}} in conditions
        assert {"NumericLessThan": {"s3:TlsVersion": "1.2"}} in conditions

    def test_versions_that_links_name_are_never_taken_away(self) -> None:
        data = by_name("AWS::S3::Bucket")["DataBucket"]["Properties"]
        assert data["VersioningConfiguration"] == {"Status": "Enabled"}
        assert "Expiration" not in str(data["LifecycleConfiguration"])
        assert data["LoggingConfiguration"]["DestinationBucketName"] == {"Ref": "LogBucket"}

    def test_evidence_can_be_locked_and_is_never_taken_away(self) -> None:
        evidence = by_name("AWS::S3::Bucket")["EvidenceBucket"]["Properties"]
        assert evidence["ObjectLockEnabled"] is True
        assert evidence["VersioningConfiguration"] == {"Status": "Enabled"}
        assert "LifecycleConfiguration" not in evidence

    def test_the_access_log_is_kept_as_long_as_network_addresses_are(self) -> None:
        assert TEMPLATES["data"]["Outputs"]["AddressDays"]["Value"] == {"Ref": "LogDays"}
        log = by_name("AWS::S3::Bucket")["LogBucket"]["Properties"]["LifecycleConfiguration"]["Rules"]
        assert [rule["ExpirationInDays"] for rule in log] == [{"Ref": "LogDays"}]


class TestDurability:
    @pytest.mark.parametrize("kind", DURABLE)
    def test_what_cannot_be_made_again_outlives_its_stack(self, kind: str) -> None:
        found = by_name(kind)
        assert found
        for resource in found.values():
            assert (resource["DeletionPolicy"], resource["UpdateReplacePolicy"]) == DURABLE[kind]

    @pytest.mark.parametrize("name", ["SecretKey", "SecretKeyFallbacks", "LinkKey"])
    def test_keys_outlive_their_stack(self, name: str) -> None:
        key = TEMPLATES["data"]["Resources"][name]
        assert (key["DeletionPolicy"], key["UpdateReplacePolicy"]) == RETAINED

    def test_the_database_is_encrypted_backed_up_and_hidden(self) -> None:
        told = by_name("AWS::RDS::DBInstance")["Database"]["Properties"]
        assert (told["StorageEncrypted"], told["DeletionProtection"], told["PubliclyAccessible"]) == (True, True, False)
        assert told["ManageMasterUserPassword"] is True
        assert "MasterUserPassword" not in told
        assert parameters()["DatabaseBackupDays"]["MinValue"] >= 7
        assert by_name("AWS::RDS::DBParameterGroup")["DatabaseParameters"]["Properties"]["Parameters"] == {
            "rds.force_ssl": "1"
        }

    def test_the_cache_speaks_tls_and_asks_for_a_password(self) -> None:
        told = by_name("AWS::ElastiCache::ReplicationGroup")["Cache"]["Properties"]
        assert (told["TransitEncryptionEnabled"], told["AtRestEncryptionEnabled"]) == (True, True)
        assert "resolve:secretsmanager" in told["AuthToken"]["Fn::Sub"]

    def test_database_and_cache_are_reached_from_instances_alone(self) -> None:
        groups = by_name("AWS::EC2::SecurityGroup")
        assert "SecurityGroupIngress" not in groups.pop("InstanceGroup")["Properties"]
        for group in groups.values():
            (rule,) = group["Properties"]["SecurityGroupIngress"]
            assert rule["SourceSecurityGroupId"] == {"Fn::GetAtt": ["InstanceGroup", "GroupId"]}
            assert rule["FromPort"] == rule["ToPort"]

    def test_random_parts_of_keys_stay_what_they_were(self) -> None:
        """CloudFormation makes another value when it is asked for it in other words: all links would die. So whoever
        changes these lines changes them for new keys only."""
        made = {name: each["Properties"] for name, each in resources("AWS::SecretsManager::Secret")}
        random = {name: told["GenerateSecretString"] for name, told in made.items() if "GenerateSecretString" in told}
        length = {"SecretKeyOfA": 64, "SecretKeyOfB": 64, "LinkKeyOfA": 64, "LinkKeyOfB": 64}
        assert random == {
            name: {"PasswordLength": count, "ExcludePunctuation": True}
            for name, count in {**length, "ApplicationPassword": 40, "CachePassword": 64}.items()
        }


class TestReplacement:
    @pytest.mark.parametrize(("name", "resource"), list(resources()))
    def test_nothing_that_has_a_name_of_ours_is_made_anew_by_another_parameter(
        self, name: str, resource: dict[str, Any]
    ) -> None:
        """What is made anew is made before the old one goes, and of one name there cannot be two."""
        told = PROVIDER_SCHEMA_MANAGER.get_resource_schema("us-east-1", resource["Type"]).schema
        fixed = {path: value_at(resource, path) for path in told.get("createOnlyProperties", [])}
        names = [path for path in fixed if "${Environment}" in str(fixed[path])]
        if names:
            changing = {path: set(parameters_in(value)) - {"Environment"} for path, value in fixed.items()}
            assert {path: found for path, found in changing.items() if found} == {}, name

    @pytest.mark.parametrize("name", by_name("AWS::S3::Bucket"))
    def test_names_of_buckets_are_never_too_long(self, name: str) -> None:
        (pattern,) = {template["Parameters"]["Environment"]["AllowedPattern"] for template in TEMPLATES.values()}
        longest = re.search(r"\{1,(\d+)\}", pattern)
        assert longest is not None
        made = by_name("AWS::S3::Bucket")[name]["Properties"]["BucketName"]["Fn::Sub"]
        for part, length in (("Environment", 1 + int(longest[1])), ("AWS::AccountId", 12), ("AWS::Region", 14)):
            made = made.replace(f"${{{part}}}", "x" * length)
        assert len(made) <= 63


class TestRotation:
    @pytest.mark.parametrize("parameter", KEYS)
    @pytest.mark.parametrize("letters", ["a", "b,a", "b", "a,b"])
    def test_the_first_letter_makes_new_ones_and_each_that_is_named_exists(self, parameter: str, letters: str) -> None:
        template, name = TEMPLATES["data"], KEYS[parameter]
        given = Given(template, **{parameter: letters})
        exist = {letter for letter in "ab" if given.holds(f"{name}{letter.upper()}")}
        assert exist == set(letters.split(","))
        secret = given.chosen(template["Resources"][name]["Properties"]["SecretString"])
        used = [found.lower() for found in re.findall(r"\$\{\w+Of([AB])\}", secret)]
        assert used == (letters.split(",") if name == "LinkKey" else [letters[0]])
        # Nothing is read that is not made.
        assert set(used) <= exist

    @pytest.mark.parametrize(("letters", "formerly"), [("a", "A"), ("b,a", "A"), ("b", "B"), ("a,b", "B")])
    def test_the_other_letter_is_the_fallback_or_the_key_itself(self, letters: str, formerly: str) -> None:
        template = TEMPLATES["data"]
        given = Given(template, SecretKeys=letters)
        fallback = given.chosen(template["Resources"]["SecretKeyFallbacks"]["Properties"]["SecretString"])
        assert fallback == f"{{{{resolve:secretsmanager:${{SecretKeyOf{formerly}}}}}}}"
        assert given.holds(f"SecretKey{formerly}")

    def test_a_links_key_has_its_letter_for_an_id(self) -> None:
        template = TEMPLATES["data"]
        for letters in ("a", "b,a", "b", "a,b"):
            made = Given(template, LinkKeys=letters).chosen(
                template["Resources"]["LinkKey"]["Properties"]["SecretString"]
            )
            assert re.findall(r"(\w):\{\{resolve:secretsmanager:\$\{LinkKeyOf(\w)\}\}\}", made) == [
                (letter, letter.upper()) for letter in letters.split(",")
            ]


class TestParameters:
    def test_both_sizes_say_the_same_things(self) -> None:
        assert list(SIZES["small"]) == list(SIZES["grown"])
        assert set(SIZES["small"]) <= set(parameters())
        assert {name for name, told in parameters().items() if "Default" not in told} <= set(SIZES["small"])

    @pytest.mark.parametrize("size", SIZES)
    def test_values_are_ones_that_the_templates_take(self, size: str) -> None:
        for name, value in SIZES[size].items():
            told = parameters()[name]
            assert value in told.get("AllowedValues", [value]), name
            assert re.fullmatch(told.get("AllowedPattern", ".*"), value), name
            if told["Type"] == "Number":
                assert told.get("MinValue", 0) <= int(value) <= told.get("MaxValue", int(value)), name

    def test_grown_is_nowhere_smaller(self) -> None:
        numbers = [name for name in SIZES["small"] if parameters()[name]["Type"] == "Number"]
        assert len(numbers) > 8
        assert [name for name in numbers if int(SIZES["grown"][name]) < int(SIZES["small"][name])] == []

    def test_the_disk_may_grow(self) -> None:
        for size in SIZES.values():
            # RDS asks for a tenth more at the least.
            assert int(size["DatabaseMaxGigabytes"]) >= 1.1 * int(size["DatabaseGigabytes"])


@pytest.mark.parametrize("name", NAMES)
def test_templates_are_small_enough_to_be_sent_as_they_are(name: str) -> None:
    assert (FOLDER / f"{name}.yaml").stat().st_size <= 51_200


def test_cfn_lint_has_nothing_to_say() -> None:
    program = Path(sys.executable).with_name("cfn-lint")
    templates = [str(FOLDER / f"{name}.yaml") for name in NAMES]
    command = [str(program), "--regions", "us-east-1", "eu-central-1", "--template", *templates]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.stdout, done.returncode) == ("", 0)
