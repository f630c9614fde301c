"""What an account would say and keep: the stacks' outputs, the secrets that they name, and a stand-in for `aws`."""

import json
import secrets
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import yaml

from portal.deployment.environments import PROPERTIES, SECRETS, options_of
from portal.embedded.stack import Stack
from portal.embedded.state import write_private
from tests.rehearsal.machine import Machine

REGION = "eu-central-1"
# Knows one secret, and gives it to whoever asks as the command of the bundle does.
AWS = """#!/bin/sh
case "$*" in
  "secretsmanager get-secret-value --region {region} --secret-id {arn} "*) cat /var/bin/secret ;;
  *) echo "the rehearsal has no such secret: $*" >&2; exit 255 ;;
esac
"""


def arn(name: str) -> str:
    return f"arn:aws:secretsmanager:{REGION}:000000000000:secret:portal/rehearsal/{name}-AbCdEf"


@dataclass(frozen=True)
class Account:
    stack: Stack
    host: str
    secret_key: str = secrets.token_urlsafe(64)

    def outputs(self) -> dict[str, str]:
        """As the stacks of ebextensions/infra name them, of what the site itself reads."""
        said = self.stack.environment()
        return {
            "BucketName": said["BUCKET_NAME"],
            "BucketRegion": said["BUCKET_REGION"],
            "PreviewBucketName": said["PREVIEW_BUCKET_NAME"],
            "EvidenceBucketName": said["EVIDENCE_BUCKET_NAME"],
            "AddressDays": "90",
            "SiteUrl": f"https://{self.host}",
            "AllowedHosts": self.host,
            "DefaultFromEmail": f"data@{self.host}",
            "EmailUrl": said["EMAIL_URL"],
            "SesEventsTopicArn": f"arn:aws:sns:{REGION}:000000000000:portal-rehearsal",
            "DatabaseOwnerSecret": arn("owner"),
            **{output: arn(output) for output in self.secrets()},
        }

    def secrets(self) -> dict[str, str]:
        """By the outputs that say where they lie."""
        said = self.stack.environment()
        return {
            "SecretKeySecret": self.secret_key,
            "LinkKeysSecret": said["LINK_KEYS"],
            "SigningKeySecret": f"{said['BUCKET_ACCESS_KEY_ID']}:{said['BUCKET_SECRET_ACCESS_KEY']}",
            "DatabaseUrlSecret": said["DATABASE_URL"],
            "RedisUrlSecret": said["REDIS_URL"],
        }

    def properties(self, environment: str, bundle: Path) -> dict[str, str]:
        """The environment of this environment's processes: the bundle's own options, those made of the outputs over
        them, each secret in the place of its name; and where the stand-ins are."""
        made = {(each["Namespace"], each["OptionName"]): each["Value"] for each in self._options(environment)}
        options = {**dict(bundles_options(bundle)), **made}
        values = {arn(output): value for output, value in self.secrets().items()}
        said = self.stack.environment()
        return {
            **{name: value for (space, name), value in options.items() if space == PROPERTIES},
            **{name: values[value] for (space, name), value in options.items() if space == SECRETS},
            # In the account: the roles' own rights, and the region's own address.
            **{
                name: said[name] for name in ("BUCKET_ENDPOINT_URL", "BUCKET_ACCESS_KEY_ID", "BUCKET_SECRET_ACCESS_KEY")
            },
        }

    def _options(self, environment: str) -> list[dict[str, str]]:
        return options_of(environment, self.outputs())

    def give_owners_secret(self, machine: Machine) -> None:
        """As the worker's role may read it: the JSON that RDS keeps."""
        owner = urlsplit(self.stack.owners_environment()["DATABASE_OWNER_URL"])
        program = machine.var / "bin" / "aws"
        program.write_text(AWS.format(region=REGION, arn=arn("owner")))
        program.chmod(0o755)
        kept = json.dumps({"username": owner.username, "password": owner.password})
        write_private(machine.var / "bin" / "secret", kept)


def bundles_options(bundle: Path) -> Iterator[tuple[tuple[str, str], str]]:
    with zipfile.ZipFile(bundle) as zipped:
        for name in sorted(zipped.namelist()):
            if name.startswith(".ebextensions/") and name.endswith(".config"):
                config: Mapping[str, Any] = yaml.safe_load(zipped.read(name)) or {}
                for space, options in config.get("option_settings", {}).items():
                    yield from (((space, option), str(value)) for option, value in options.items())
