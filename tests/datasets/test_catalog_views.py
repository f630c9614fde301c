"""The catalogue's pages: what the public sees, what a person with access sees besides, and what neither can break."""

import re
from datetime import timedelta
from threading import Event

import pytest
from django.db import transaction
from django.test import Client
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from accounts.models import User
from datasets.models import Archive, Dataset, DownloadLink, Release
from datasets.services.downloads import token_of
from tests.factories import (
    AccessGrantFactory,
    AccessRequestFactory,
    AgreementVersionFactory,
    ArchiveFactory,
    DatasetFactory,
    ReleaseFactory,
    UserFactory,
    VolumeFactory,
    granted,
)
from tests.owner import as_owner
from tests.threads import at_once

pytestmark = pytest.mark.django_db


def text_of(client: Client, path: str, status: int = 200) -> str:
    """A page's words, without its tags and with single blanks."""
    response = client.get(path)
    assert response.status_code == status, path
    return " ".join(re.sub(r"<[^>]+>", " ", response.content.decode()).replace("&nbsp;", " ").split())


def html_of(client: Client, path: str) -> str:
    return client.get(path).content.decode()


def signed_in(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def withdraw(release: Release, reason: str) -> None:
    release.status, release.reason, release.withdrawn_at = Release.Status.WITHDRAWN, reason, timezone.now()
    release.save()


@pytest.fixture
def knee() -> Release:
    """Knee 2.0 with a sample, a multi-coil archive and pictures, and its agreement."""
    dataset = DatasetFactory(slug="knee", name="Knee")
    AgreementVersionFactory(agreement=dataset.agreement)
    release = ReleaseFactory(dataset=dataset, version="2.0", summary="Test sets complete.")
    sample = ArchiveFactory(release=release, name="knee_sample.tar", split="sample", coils="1, 15", size=1_070_000_000)
    ArchiveFactory(release=release, name="knee_val.tar.xz", split="validation", coils="15", size=100_690_000_000)
    ArchiveFactory(release=release, name="knee_DICOMs.tar.xz", split="images", coils="", size=88_400_000_000)
    VolumeFactory(archive=sample, acquisition="CORPD_FBK", field_strength=2.89)
    VolumeFactory(archive=sample, acquisition="CORPDFS_FBK", field_strength=1.494, slices=40)
    return release


# What everybody sees -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/", "/datasets/"])
def test_lists_say_what_the_newest_release_of_each_dataset_holds(client: Client, knee: Release, path: str) -> None:
    ReleaseFactory(dataset=knee.dataset, version="1.0", published_at=timezone.now() - timedelta(days=400))

    text = text_of(client, path)

    assert "Release 2.0." in text
    assert "2 3 190.16 GB At once, after signing" in text


def test_a_reviewed_dataset_says_how_long_others_waited(client: Client) -> None:
    dataset = DatasetFactory(access_policy=Dataset.AccessPolicy.REVIEWED)
    now = timezone.now()
    AccessRequestFactory(
        dataset=dataset,
        status="approved",
        decided_by=UserFactory(),
        created_at=now - timedelta(days=14),
        decided_at=now,
    )

    assert "median wait ten working days" in text_of(client, "/datasets/")
    assert "Median wait now: ten working days" in text_of(client, f"/datasets/{dataset.slug}/")


@pytest.mark.parametrize("path", ["/", "/datasets/", "/cite/"])
def test_an_empty_catalogue_says_so(client: Client, path: str) -> None:
    assert "No dataset is published yet" in text_of(client, path)


def test_an_unlisted_dataset_and_its_releases_are_nowhere(client: Client, knee: Release) -> None:
    Dataset.objects.update(is_listed=False)

    assert "Knee" not in text_of(client, "/datasets/").replace("Kspace", "")
    for path in ("/datasets/knee/", "/datasets/knee/2.0/", "/datasets/knee/2.0/knee_sample.tar/"):
        text_of(client, path, status=404)


@pytest.mark.parametrize("status", ["draft", "checking", "ready", "scheduled", "failed"])
def test_a_release_that_is_not_published_has_no_page(client: Client, status: str) -> None:
    release = ReleaseFactory(status=status)
    archive = ArchiveFactory(release=release)

    text_of(client, release.get_absolute_url(), status=404)
    text_of(client, f"{release.get_absolute_url()}{archive.name}/", status=404)


def test_a_dataset_page_lists_releases_facts_and_the_agreement(client: Client, knee: Release) -> None:
    withdraw(ReleaseFactory(dataset=knee.dataset, version="1.0"), "two volumes carried dates")

    text = text_of(client, "/datasets/knee/")

    assert "2.0 published" in text
    assert "1.0 withdrawn" in text
    assert "Two volumes carried dates." in text
    assert "Field strength 1.5 and 2.9 T" in text
    assert "Slices a volume 36–40" in text
    assert "Access opens at once" in text
    assert "version" in text


def test_a_dataset_without_a_release_says_so(client: Client) -> None:
    assert "No release is published yet." in text_of(client, DatasetFactory().get_absolute_url())


def test_a_release_groups_its_archives_and_adds_them_up(client: Client, knee: Release) -> None:
    text = text_of(client, "/datasets/knee/2.0/")

    assert "3 archives, 190.2 GB." in text
    assert "To begin with knee_sample.tar sample" in text
    assert "Multi-coil knee_val.tar.xz validation" in text
    assert "Reconstructed images knee_DICOMs.tar.xz images" in text
    assert "All 3 archives 2 190.16 GB" in text
    assert "CORPDFS_FBK 1 40" in text


def test_what_is_unknown_and_what_does_not_apply_are_told_apart(client: Client, knee: Release) -> None:
    Archive.objects.filter(name="knee_val.tar.xz").update(split="", coils="", status="registered", size=None, sha256="")

    html = html_of(client, "/datasets/knee/2.0/")

    unknown = html[html.index("<code>knee_val.tar.xz") : html.index("<code>knee_DICOMs")]
    pictures = html[html.index("<code>knee_DICOMs") :].partition("</tbody>")[0]
    # Split, coils, volumes, size and SHA-256.
    assert unknown.count("not recorded") == 5
    assert pictures.count("does not apply") == 2
    assert "not recorded" in html.partition("All 3 archives")[2].partition("</tfoot>")[0]


def test_an_archive_page_has_the_whole_hash_the_exact_size_and_its_volumes(client: Client, knee: Release) -> None:
    archive = knee.archives.get(name="knee_sample.tar")

    text = text_of(client, "/datasets/knee/2.0/knee_sample.tar/")

    assert "1,070,000,000 bytes" in text
    assert archive.sha256 in text.replace(" ", "")
    assert "Volumes 1 to 2 of 2." in text
    assert "640 × 368" in text


def test_volumes_are_shown_in_pages_of_fifty(client: Client, knee: Release) -> None:
    archive = knee.archives.get(name="knee_val.tar.xz")
    VolumeFactory.create_batch(101, archive=archive)
    path = f"/datasets/knee/2.0/{archive.name}/"

    assert "Volumes 1 to 50 of 101." in text_of(client, path)
    assert "Volumes 101 to 101 of 101." in text_of(client, f"{path}?page=3")
    assert "Volumes 1 to 50 of 101." in text_of(client, f"{path}?page=x%00")
    assert "Volumes 101 to 101 of 101." in text_of(client, f"{path}?page={'9' * 400}")


def test_a_withdrawn_release_says_why_and_where_to_go(client: Client, knee: Release) -> None:
    newer = ReleaseFactory(dataset=knee.dataset, version="2.1")
    withdraw(knee, "two volumes carried dates")

    html = html_of(client, "/datasets/knee/2.0/")

    assert "This release is withdrawn and cannot be downloaded" in html
    assert "Two volumes carried dates." in html
    assert f'The newest that can be downloaded is <a href="{newer.get_absolute_url()}">release 2.1</a>.' in html
    assert "<code>knee_sample.tar</code>" in html
    assert "withdrawn and cannot be downloaded" in html_of(client, "/datasets/knee/2.0/knee_sample.tar/")


def test_a_withdrawn_release_without_a_successor_leads_to_its_dataset(client: Client, knee: Release) -> None:
    withdraw(knee, "One archive was damaged at its source.")

    assert "No other release is published yet" in text_of(client, "/datasets/knee/2.0/")


def test_texts_of_maintainers_are_markdown_and_nothing_in_them_runs(client: Client, knee: Release) -> None:
    knee.notes = "**Bold** <script>alert(1)</script> [a](javascript:alert(1)) <img src=x onerror=alert(1)>"
    knee.save()
    Dataset.objects.update(summary="<b>&</b>", description="## Files\n\n| a | b |\n|---|--:|\n| 1 | 2 |")

    release, dataset = html_of(client, "/datasets/knee/2.0/"), html_of(client, "/datasets/knee/")

    assert "<strong>Bold</strong> &lt;script&gt;alert(1)" in release
    assert "<img src=x" not in release
    assert 'href="javascript' not in release
    assert "&lt;b&gt;&amp;&lt;/b&gt;" in dataset
    assert "<h3>Files</h3>" in dataset
    assert '<td class="num">2</td>' in dataset


@pytest.mark.parametrize("path", ["/", "/datasets/", "/datasets/knee/", "/datasets/knee/2.0/", "/cite/"])
def test_pages_take_few_queries_however_many_rows_there_are(
    knee: Release, path: str, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    def queries() -> int:
        with django_assert_max_num_queries(8) as found:
            assert Client().get(path).status_code == 200
        return len(found)

    before = queries()
    for release in ReleaseFactory.create_batch(5, dataset=knee.dataset):
        VolumeFactory.create_batch(3, archive__release=release)
    for row in ReleaseFactory.create_batch(5):
        VolumeFactory(archive__release=row)
    ArchiveFactory.create_batch(10, release=knee)

    assert queries() == before


def test_a_kept_page_takes_one_query(knee: Release, django_assert_num_queries: DjangoAssertNumQueries) -> None:
    Client().get("/datasets/knee/2.0/")

    with django_assert_num_queries(1):
        Client().get("/datasets/knee/2.0/")


# What only one person sees -----------------------------------------------------------------------------------


def test_a_visitor_is_led_to_the_agreement_and_sees_no_commands(client: Client, knee: Release) -> None:
    html = html_of(client, "/datasets/knee/2.0/?archive=knee_sample.tar")

    assert 'href="/datasets/knee/agreement/"' in html
    assert "/get/" not in html
    assert 'type="checkbox"' not in html


def test_a_person_with_access_gets_the_commands_of_their_own_link() -> None:
    link = granted(archives=2)
    other = granted()

    html = html_of(signed_in(link.grant.user), link.release.get_absolute_url())

    assert "You have access" in html
    assert f"/get/{token_of(link)}/download.sh" in html
    assert token_of(other) not in html
    assert html.count('type="checkbox"') == 2


def test_a_first_look_at_a_release_makes_the_link() -> None:
    link = granted()
    newer = ArchiveFactory(release__dataset=link.grant.dataset).release
    client = signed_in(link.grant.user)

    client.get(newer.get_absolute_url())
    client.get(newer.get_absolute_url())

    assert DownloadLink.objects.filter(grant=link.grant, release=newer).count() == 1


def test_ticked_archives_give_commands_for_just_those() -> None:
    link = granted(archives=3)
    chosen = link.release.archives.order_by("id")[1]
    path = f"{link.release.get_absolute_url()}?archive={chosen.name}"

    html = html_of(signed_in(link.grant.user), path)

    assert f'value="{chosen.name}" aria-label="{chosen.name}" checked' in html
    assert html.count(" checked") == 2  # and the first tab of the commands
    assert f"download.sh?only={chosen.name}" in html
    assert "1 ticked: 100.69 GB" in html


def test_archives_that_do_not_exist_are_named_and_the_rest_is_given() -> None:
    link = granted(archives=2)
    known = link.release.archives.first()
    assert known
    query = f"?archive={known.name}&archive=%3Cb%3E.tar&archive=%00&archive=%00"

    html = html_of(signed_in(link.grant.user), link.release.get_absolute_url() + query)

    assert "has no archive <code>&lt;b&gt;.tar</code>, <code>" in html
    assert f"download.sh?only={known.name}" in html


def test_nobody_sees_what_was_made_for_another() -> None:
    link, other = granted(), UserFactory(name="Somebody Else")
    path = link.release.get_absolute_url()

    personal = html_of(signed_in(link.grant.user), path)
    visitors = html_of(Client(), path)
    others = html_of(signed_in(other), path)

    assert token_of(link) in personal
    assert token_of(link) not in visitors + others
    assert "Sign in" in visitors
    assert "Somebody Else" in others
    assert "Somebody Else" not in html_of(Client(), path)


@pytest.mark.parametrize(
    "path",
    ["/", "/datasets/", "/cite/", "/datasets/knee/", "/datasets/knee/2.0/", "/datasets/knee/2.0/knee_sample.tar/"],
)
def test_nobody_keeps_a_page_of_somebody_signed_in(knee: Release, path: str) -> None:
    kept = signed_in(UserFactory()).get(path)["Cache-Control"]

    assert {"private", "no-store"} <= set(kept.split(", "))
    assert "Cache-Control" not in Client().get(path)


@pytest.mark.django_db(transaction=True)
def test_a_change_of_an_archive_shows_at_once(client: Client, knee: Release) -> None:
    assert "4–20" not in html_of(client, "/datasets/knee/2.0/")

    knee.archives.filter(name="knee_val.tar.xz").update(coils="4–20")

    assert "4–20" in html_of(client, "/datasets/knee/2.0/")


@pytest.mark.django_db(transaction=True)
def test_a_withdrawal_that_is_committed_after_a_later_change_shows_at_once(client: Client, knee: Release) -> None:
    """Its event has the lower number: the highest one is that of the other change."""
    later = ReleaseFactory(dataset=knee.dataset, version="2.1")
    withdrawn, page = Event(), Event()

    def withdraws() -> None:
        with transaction.atomic():
            withdraw(knee, "Two volumes carried dates.")
            withdrawn.set()
            assert page.wait(timeout=10)

    def changes() -> None:
        assert withdrawn.wait(timeout=10)
        later.summary = "Another summary."
        later.save()
        text_of(client, "/datasets/knee/2.0/")
        page.set()

    assert at_once([withdraws, changes]) == [None, None]

    assert "withdrawn and cannot be downloaded" in text_of(client, "/datasets/knee/2.0/")


def test_a_kept_page_shows_a_withdrawal_at_once(client: Client, knee: Release) -> None:
    assert "withdrawn" not in html_of(client, "/datasets/knee/2.0/")

    withdraw(knee, "Two volumes carried dates.")

    assert "withdrawn and cannot be downloaded" in html_of(client, "/datasets/knee/2.0/")
    assert "Knee 2.0 is withdrawn" in text_of(client, "/")


def test_kept_pages_vary_by_cookie(client: Client, knee: Release) -> None:
    first, second = client.get("/datasets/knee/"), client.get("/datasets/knee/")

    assert first.content == second.content
    assert {first["Vary"], second["Vary"]} == {"Cookie"}


def test_a_message_is_told_to_a_visitor_and_not_kept(client: Client, knee: Release) -> None:
    """Somebody who signs out is told so on the home page."""
    person = signed_in(UserFactory())
    answer = person.post("/accounts/logout/", follow=True)
    told = answer.content.decode()

    assert "You are signed out" in told
    assert "You are signed out" not in html_of(Client(), "/")


STANDINGS = {
    "ended": "Your access has ended",
    "revoked": "Your access was ended",
    "pending": "Your request is being read",
    "declined": "Your request was declined",
    "signed": "You have signed the agreement",
    "unsigned": "Read and sign the agreement",
    "new version": "The agreement has a new version",
}


@pytest.mark.parametrize("state", STANDINGS)
def test_the_panel_says_where_a_person_stands_and_what_to_do(state: str) -> None:
    link = granted()
    grant, dataset, user, now = link.grant, link.grant.dataset, link.grant.user, timezone.now()
    if state == "ended":
        grant.starts_at, grant.ends_at = now - timedelta(days=9), now - timedelta(days=1)
    elif state == "revoked":
        grant.status, grant.reason, grant.revoked_at = "revoked", "the project has closed", now
    elif state == "new version":
        number = user.signatures.get().version.number + 1
        AgreementVersionFactory(agreement=dataset.agreement, number=number)
    grant.save(update_fields=["starts_at", "ends_at", "status", "reason", "revoked_at"])
    if state in ("pending", "declined", "signed", "unsigned"):
        signature = user.signatures.get() if state != "unsigned" else None
        user = user if signature else UserFactory()
        with as_owner():
            grant.links.all().delete()
            grant.delete()
    if state in ("pending", "declined"):
        decided = {} if state == "pending" else {"status": "declined", "reason": "too short", "decided_at": now}
        AccessRequestFactory(user=user, dataset=dataset, signature=signature, **decided)

    text = text_of(signed_in(user), dataset.get_absolute_url())
    release = html_of(signed_in(user), link.release.get_absolute_url())

    assert STANDINGS[state] in text
    assert "/get/" not in release


def test_somebody_whose_release_was_withdrawn_gets_no_commands() -> None:
    link = granted()
    withdraw(link.release, "Two volumes carried dates.")

    html = html_of(signed_in(link.grant.user), link.release.get_absolute_url())

    assert "/get/" not in html
    assert "You have access" not in html


def test_a_grant_for_one_dataset_opens_no_other(knee: Release) -> None:
    person = AccessGrantFactory().user

    assert "/get/" not in html_of(signed_in(person), "/datasets/knee/2.0/")


# Bad input ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "path",
    [
        "/datasets/nothing/",
        "/datasets/knee/9.9/",
        "/datasets/knee/2.0%0a/",
        "/datasets/knee/v2/",
        "/datasets/knee/2..0/",
        "/datasets/knee/99999999999999999999999999/",
        "/datasets/kn%00ee/",
        "/datasets/%F0%9F%A6%B5/2.0/",
        "/datasets/..%2f..%2fetc/",
        "/datasets/knee/2.0/%00/",
        "/datasets/knee/2.0/..%2fpasswd/",
        "/datasets/knee/2.0/nothing.tar/",
        f"/datasets/{'k' * 3000}/",
        f"/datasets/knee/2.0/{'k' * 3000}/",
        "/datasets/knee/2.0/%ff%fe/",
    ],
)
def test_odd_addresses_get_the_page_that_says_so(client: Client, knee: Release, path: str) -> None:
    assert "There is no such page" in text_of(client, path, status=404)


@pytest.mark.parametrize(
    "query",
    ["x=" + "y" * 60_000, "archive=%00%ff&archive[]=1&page[$ne]=1", "&".join(["archive=a"] * 1_999), "%", "=&=;"],
)
def test_odd_queries_are_ignored(client: Client, knee: Release, query: str) -> None:
    assert "Table 1 | Archives." in text_of(client, f"/datasets/knee/2.0/?{query}")


def test_too_many_fields_are_a_bad_request() -> None:
    link = granted()
    query = "&".join(["archive=a"] * 2_001)

    text = text_of(signed_in(link.grant.user), f"{link.release.get_absolute_url()}?{query}", status=400)

    assert "This request cannot be read" in text


@pytest.mark.parametrize("path", ["/", "/datasets/", "/datasets/knee/", "/datasets/knee/2.0/"])
def test_pages_are_only_read(client: Client, knee: Release, path: str) -> None:
    assert client.post(path).status_code == 405
    head = client.head(path)
    assert head.status_code == 200
    assert head.content == b""
