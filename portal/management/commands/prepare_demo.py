"""What `demo` runs between starting the services and the site."""

import argparse
import json
from pathlib import Path
from typing import Any

from allauth.account.models import EmailAddress
from allauth.mfa.adapter import get_adapter
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.internal.auth import TOTP
from django.conf import settings
from django.core.management import BaseCommand, call_command
from django.db import connection, transaction
from django.db.migrations.executor import MigrationExecutor

from accounts.models import User

MAINTAINER = "maintainer@example.org"


class Command(BaseCommand):
    help = "Migrate, collect the static files, make the maintainer's account and load the sample data. Run by `demo`."

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--dir", type=Path, required=True, help="the demo's folder, with its stack.json")

    def handle(self, *args: Any, **options: Any) -> None:
        secrets = json.loads((options["dir"] / "stack.json").read_text())["secrets"]
        waiting = MigrationExecutor(connection).migration_plan(MigrationExecutor(connection).loader.graph.leaf_nodes())
        if waiting:
            call_command("migrate", verbosity=0, interactive=False)
        self.stdout.write(f"The database is migrated: {len(waiting)} new steps")
        call_command("collectstatic", verbosity=0, interactive=False)
        self.stdout.write("The static files are collected")
        make_maintainer(password=secrets["maintainer_password"], totp=secrets["maintainer_totp"])
        self.stdout.write(f"The maintainer's account is {MAINTAINER}")


@transaction.atomic
def make_maintainer(*, password: str, totp: str) -> User:
    """The account whose login the demo prints. What is printed works, also after somebody changed it in the site."""
    user = User.objects.filter(email=MAINTAINER).first()
    if user is None:
        user = User.objects.create_superuser(
            MAINTAINER, password, name="Maintainer", institution=settings.SITE_INSTITUTION
        )
    elif not user.check_password(password):
        user.set_password(password)
        user.save(update_fields=["password"])
    EmailAddress.objects.update_or_create(user=user, email=MAINTAINER, defaults={"verified": True, "primary": True})
    app = Authenticator.objects.filter(user=user, type=Authenticator.Type.TOTP).first()
    if app is None or get_adapter().decrypt(app.data["secret"]) != totp:
        Authenticator.objects.filter(user=user, type=Authenticator.Type.TOTP).delete()
        TOTP.activate(user, totp)
    return user
