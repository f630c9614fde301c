"""Rows for the benchmarks; prints the addresses to ask, and how many queries each takes, as JSON."""

import json

import django
from django.db import connection, transaction
from django.test import Client
from django.test.utils import CaptureQueriesContext, override_settings

django.setup()

from datasets.models import Archive, DownloadLink, Volume  # noqa: E402
from datasets.services.downloads import address_of  # noqa: E402
from tests.benchmarks.site import HOST, PROXIED  # noqa: E402
from tests.factories import (  # noqa: E402
    AccessGrantFactory,
    AgreementVersionFactory,
    ArchiveFactory,
    DatasetFactory,
    DownloadLinkFactory,
    ReleaseFactory,
    SignatureFactory,
    VolumeFactory,
)

DATASETS, RELEASES, ARCHIVES, VOLUMES = 4, 3, 13, 20
# So many that none meets the limit of requests a minute and link.
LINKS = 300


def make_catalogue() -> list[Archive]:
    """Four datasets of three releases each; the archives of the last release."""
    archives: list[Archive] = []
    for _ in range(DATASETS):
        dataset = DatasetFactory()
        for _ in range(RELEASES):
            archives = ArchiveFactory.create_batch(ARCHIVES, release=ReleaseFactory(dataset=dataset))
            rows = [VolumeFactory.build(archive=archive) for archive in archives for _ in range(VOLUMES)]
            Volume.objects.bulk_create(rows)
    return archives


def make_links(archives: list[Archive]) -> list[str]:
    release = archives[0].release
    version = AgreementVersionFactory(agreement=release.dataset.agreement)
    paths = []
    for number in range(LINKS):
        grant = AccessGrantFactory(dataset=release.dataset)
        SignatureFactory(user=grant.user, version=version)
        link: DownloadLink = DownloadLinkFactory(grant=grant, release=release)
        archive = archives[number % len(archives)]
        paths.append(address_of(link, archive.name).removeprefix(f"https://{HOST}"))
    return paths


def count_queries(path: str, status: int) -> int:
    headers = {name: value for name, value in PROXIED.items() if name != "Host"}
    with CaptureQueriesContext(connection) as queries:
        response = Client(SERVER_NAME=HOST).get(path, headers=headers)
    if response.status_code != status:
        raise SystemExit(f"{path} answers {response.status_code}: {response.content[:2000]!r}")
    return len(queries)


def main() -> None:
    # Nobody signs in here, so the passwords need not be slow.
    quick = override_settings(PASSWORD_HASHERS=["django.contrib.auth.hashers.MD5PasswordHasher"])
    with quick, transaction.atomic():
        archives = make_catalogue()
        links = make_links(archives)
    release = archives[0].release
    pages = {
        "home": "/",
        "list of datasets": "/datasets/",
        "dataset": release.dataset.get_absolute_url(),
        "release": release.get_absolute_url(),
    }
    queries = {name: count_queries(path, 200) for name, path in pages.items()} | {"link": count_queries(links[0], 302)}
    print(json.dumps({"links": links, "pages": pages, "queries": queries}))


if __name__ == "__main__":
    main()
