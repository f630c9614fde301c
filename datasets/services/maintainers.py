"""What maintainers may do who may not do everything: two groups, as the site begins with them."""

from django.apps import apps
from django.contrib.auth.management import create_permissions
from django.contrib.auth.models import Group, Permission
from django.db import transaction
from django.db.models import Q

# Who reads requests, decides them and helps people with their links.
REVIEWERS = {
    "accounts": {
        "user": ["view"],
        "agreement": ["view"],
        "agreementversion": ["view"],
        "signature": ["view"],
        "outgoingmail": ["view", "change"],
        "receipt": ["view", "change"],
    },
    "datasets": {
        "dataset": ["view"],
        "release": ["view"],
        "archive": ["view"],
        "accessrequest": ["view", "change"],
        "accessgrant": ["view", "change"],
        "downloadlink": ["view", "change"],
        "downloadrecord": ["view"],
        "notice": ["view", "change"],
        "downloadcount": ["view"],
    },
}
# Who writes datasets, releases and agreements, and need not know who downloads them.
CURATORS = {
    "accounts": {
        "agreement": ["view", "add", "change", "delete"],
        "agreementversion": ["view", "add", "change", "delete"],
    },
    "datasets": {
        "dataset": ["view", "add", "change", "delete"],
        "release": ["view", "add", "change", "delete"],
        "archive": ["view", "add", "change", "delete"],
        "volume": ["view"],
        "preview": ["view", "change"],
        "ingest": ["view", "change"],
        "fixitycheck": ["view", "change"],
        "drift": ["view"],
        "erratum": ["view", "add", "change", "delete"],
        "notice": ["view"],
        "downloadcount": ["view"],
    },
}
# What is added to the group of a site that was there before there was each of these.
PREVIEWS = {"datasets": {"preview": CURATORS["datasets"]["preview"]}}
INGESTS = {"datasets": {"ingest": CURATORS["datasets"]["ingest"]}}
FIXITY = {"datasets": {name: CURATORS["datasets"][name] for name in ("fixitycheck", "drift")}}
ERRATA = {"datasets": {"erratum": CURATORS["datasets"]["erratum"]}}
DASHBOARD = {"datasets": {"downloadcount": ["view"]}}


@transaction.atomic
def create_maintainer_groups() -> None:
    """Make the groups that are missing. A group that is there is left as a maintainer has set it."""
    for app_label in REVIEWERS:
        # Django makes permissions after all migrations; the one that calls this comes before.
        create_permissions(apps.get_app_config(app_label), verbosity=0)
    for name, rights in (("Reviewers", REVIEWERS), ("Curators", CURATORS)):
        group, is_new = Group.objects.get_or_create(name=name)
        if is_new:
            group.permissions.set(_permissions(rights))


def permit_previews() -> None:
    """Let curators see and render previews."""
    _permit(PREVIEWS)


def permit_ingests() -> None:
    """The same of reading archives."""
    _permit(INGESTS)


def permit_fixity() -> None:
    """The same of what the bucket has of published releases."""
    _permit(FIXITY)


def permit_errata() -> None:
    """Let curators write errata."""
    _permit(ERRATA)


def permit_dashboard() -> None:
    """Let both groups see the site's figures, which name nobody."""
    _permit(DASHBOARD, "Curators", "Reviewers")


@transaction.atomic
def _permit(rights: dict[str, dict[str, list[str]]], *groups: str) -> None:
    """Where there is such a group; what else it may is left as it is."""
    create_permissions(apps.get_app_config("datasets"), verbosity=0)
    for group in Group.objects.filter(name__in=groups or ("Curators",)):
        group.permissions.add(*_permissions(rights))


def _permissions(rights: dict[str, dict[str, list[str]]]) -> list[Permission]:
    wanted = Q()
    for app_label, models in rights.items():
        for model, verbs in models.items():
            names = [f"{verb}_{model}" for verb in verbs]
            wanted |= Q(content_type__app_label=app_label, content_type__model=model, codename__in=names)
    return list(Permission.objects.filter(wanted))
