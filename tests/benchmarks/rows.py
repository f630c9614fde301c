"""Rows for the benchmarks; prints the addresses to ask, and the cookies of who asks, as JSON."""

import json

import django
from django.conf import settings
from django.db import transaction
from django.test import Client
from django.test.utils import override_settings

django.setup()

from accounts.models import User  # noqa: E402
from accounts.services.agreements import sign_agreement  # noqa: E402
from datasets.models import Archive, Dataset, DownloadLink, Release, Volume  # noqa: E402
from datasets.services.downloads import address_of  # noqa: E402
from tests.benchmarks.site import HOST  # noqa: E402
from tests.factories import (  # noqa: E402
    AccessGrantFactory,
    AgreementVersionFactory,
    ArchiveFactory,
    DatasetFactory,
    DownloadLinkFactory,
    DownloadRecordFactory,
    ReleaseFactory,
    UserFactory,
    VolumeFactory,
    published,
)
from tests.maintainers import maintainer  # noqa: E402

DATASETS, RELEASES, ARCHIVES, VOLUMES = 4, 3, 13, 20
# So many that none meets the limit of requests a minute and link.
LINKS = 300
# Who has downloaded something of everything and, where there are many rows, more than anybody else.
READER = "much.reader@example.org"


def make_catalogue() -> list[Archive]:
    """Four datasets of three releases each; the archives of the last release."""
    archives: list[Archive] = []
    # One for all, as such sites have it.
    version = AgreementVersionFactory()
    for _ in range(DATASETS):
        dataset = DatasetFactory(agreement=version.agreement)
        for _ in range(RELEASES):
            release = ReleaseFactory(dataset=dataset, status="draft", published_at=None)
            archives = ArchiveFactory.create_batch(ARCHIVES, release=release)
            rows = [VolumeFactory.build(archive=archive) for archive in archives for _ in range(VOLUMES)]
            Volume.objects.bulk_create(rows)
            published(release)
    return archives


def make_links(archives: list[Archive]) -> list[str]:
    release = archives[0].release
    paths = []
    for number in range(LINKS):
        grant = AccessGrantFactory(user=signer(UserFactory(), release), dataset=release.dataset)
        link: DownloadLink = DownloadLinkFactory(grant=grant, release=release)
        archive = archives[number % len(archives)]
        paths.append(address_of(link, archive.name).removeprefix(f"https://{HOST}"))
    return paths


def signer(user: User, release: Release) -> User:
    """Has signed what a release needs: through the service, so that the chain holds."""
    version = release.dataset.agreement.versions.get()
    sign_agreement(
        user=user,
        version=version,
        typed_name=user.name,
        statements=version.statements,
        address="192.0.2.1",
        agent="Mozilla/5.0",
    )
    return user


def make_reader() -> str:
    """The cookie of READER, who has a record of each archive."""
    reader = signer(UserFactory(email=READER, name="Much Reader"), Release.objects.latest("pk"))
    for dataset in Dataset.objects.all():
        grant = AccessGrantFactory(user=reader, dataset=dataset)
        for release in dataset.releases.all():
            link = DownloadLinkFactory(grant=grant, release=release)
            for archive in release.archives.all():
                DownloadRecordFactory(link=link, archive=archive)
    client = Client()
    client.force_login(reader)
    return cookie(client)


def make_maintainer() -> str:
    client = Client()
    maintainer(client)
    return cookie(client)


def cookie(client: Client) -> str:
    return f"{settings.SESSION_COOKIE_NAME}={client.cookies[settings.SESSION_COOKIE_NAME].value}"


def admin_pages(archive: Archive, link: DownloadLink) -> dict[str, str]:
    """Lists, searches that find one and all, filters, forms and menus; of what has many rows, and of what has not."""
    day, dataset = link.created_at.date(), archive.release.dataset_id
    paths = {
        "index": "",
        "dashboard": "dashboard/",
        "dashboard, a year of a dataset": f"dashboard/?days=365&dataset={archive.release.dataset.slug}",
        "dashboard, all": "dashboard/?days=0",
        "people": "accounts/user/",
        "people, last page": "accounts/user/?p=6",
        "people, one found": "accounts/user/?q=much+reader",
        "people, all found": "accounts/user/?q=example",
        "person": f"accounts/user/{link.grant.user_id}/change/",
        "signatures": "accounts/signature/",
        "mails": "accounts/outgoingmail/",
        "mails, one person's": "accounts/outgoingmail/?q=much+reader",
        "log": "admin/logentry/",
        "requests": "datasets/accessrequest/",
        "grants": "datasets/accessgrant/",
        "grants that end soon": "datasets/accessgrant/?standing=soon",
        "grant": f"datasets/accessgrant/{link.grant_id}/change/",
        "links": "datasets/downloadlink/",
        "links, one person's": "datasets/downloadlink/?q=much+reader",
        "downloads": "datasets/downloadrecord/",
        "downloads, one person's": "datasets/downloadrecord/?q=much+reader",
        "downloads of a day": f"datasets/downloadrecord/?issued_at_from={day}&issued_at_until={day}",
        "downloads of a dataset": f"datasets/downloadrecord/?archive__release__dataset__id__exact={dataset}",
        "add a dataset": "datasets/dataset/add/",
        "add a release": "datasets/release/add/",
        "add a version": "accounts/agreementversion/add/",
        "menu of releases": "autocomplete/?app_label=datasets&model_name=archive&field_name=release&term=1",
    }
    return {f"admin: {name}": f"/admin/{path}" for name, path in paths.items()}


def main() -> None:
    # Nobody signs in here, so the passwords need not be slow.
    quick = override_settings(PASSWORD_HASHERS=["django.contrib.auth.hashers.MD5PasswordHasher"])
    with quick, transaction.atomic():
        archives = make_catalogue()
        links = make_links(archives)
        cookies = {"reader": make_reader(), "maintainer": make_maintainer()}
    release = archives[0].release
    pages = {
        "home": "/",
        "list of datasets": "/datasets/",
        "dataset": release.dataset.get_absolute_url(),
        "release": release.get_absolute_url(),
    }
    first = DownloadLink.objects.select_related("grant").earliest("pk")
    admin = admin_pages(archives[0], first)
    print(json.dumps({"links": links, "pages": pages, "admin": admin, "cookies": cookies}))


if __name__ == "__main__":
    main()
