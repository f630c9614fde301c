"""What `demo` runs between starting the services and the site."""

import argparse
import hashlib
import json
import signal
from pathlib import Path
from typing import Any

from allauth.account.models import EmailAddress
from allauth.mfa.adapter import get_adapter
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.internal.auth import TOTP
from django.conf import settings
from django.contrib.staticfiles.finders import get_finders
from django.core.exceptions import PermissionDenied
from django.core.management import BaseCommand, CommandError, call_command
from django.db import connection, transaction
from django.db.migrations.executor import MigrationExecutor

from accounts.models import User
from portal.embedded.process import interrupt
from portal.roles import connected_as_owner, give_rights
from portal.sample import TemplateMissingError
from portal.sample.load import load_samples

MAINTAINER = "maintainer@example.org"


class Command(BaseCommand):
    help = "Migrate, collect the static files, make the maintainer's account and load the sample data. Run by `demo`."

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--dir", type=Path, required=True, help="the demo's folder, with its stack.json")

    def handle(self, *args: Any, **options: Any) -> None:
        signal.signal(signal.SIGTERM, interrupt)
        secrets = json.loads((options["dir"] / "stack.json").read_text())["secrets"]
        self.stdout.write(f"The database is migrated: {migrate()} new steps")
        self.stdout.write(collect_static(options["dir"] / "static.seen"))
        maintainer = make_maintainer(password=secrets["maintainer_password"], totp=secrets["maintainer_totp"])
        self.stdout.write(f"The maintainer's account is {MAINTAINER}")
        try:
            load_samples(self.stdout.write, by=maintainer)
        except TemplateMissingError as error:
            raise CommandError(str(error)) from None


def migrate() -> int:
    """Migrate as the owner; the number of steps that were waiting. All that follows runs as the site does."""
    with connected_as_owner(connection):
        executor = MigrationExecutor(connection)
        waiting = executor.migration_plan(executor.loader.graph.leaf_nodes())
        if waiting:
            call_command("migrate", verbosity=0, interactive=False)
        else:
            # In case that the run before was stopped between its migrations and these.
            give_rights(settings.DATABASE_ROLE, connection)
    return len(waiting)


def collect_static(record: Path) -> str:
    """Collect and compress the static files, unless they are as they were when the record was written."""
    manifest = Path(settings.STATIC_ROOT) / "staticfiles.json"
    sources = (Path(storage.path(name)) for finder in get_finders() for name, storage in finder.list([]))
    facts = sorted(f"{path} {path.stat().st_size} {path.stat().st_mtime_ns}" for path in sources)
    digest = hashlib.sha256("\n".join(facts).encode()).hexdigest()
    if manifest.exists() and record.exists() and record.read_text() == f"{digest} {manifest.stat().st_mtime_ns}":
        return "The static files are as they were"
    call_command("collectstatic", verbosity=0, interactive=False)
    record.write_text(f"{digest} {manifest.stat().st_mtime_ns}")
    return "The static files are collected"


def holds(app: Authenticator, totp: str) -> bool:
    """Whether the app has this secret; not when it was sealed with a key that is gone."""
    try:
        return bool(get_adapter().decrypt(app.data["secret"]) == totp)
    except PermissionDenied:
        return False


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
    if app is None or not holds(app, totp):
        Authenticator.objects.filter(user=user, type=Authenticator.Type.TOTP).delete()
        TOTP.activate(user, totp)
    return user
