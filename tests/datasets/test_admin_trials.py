"""Before a notice goes out: a maintainer reads its mail, sees whom it reaches, and sends it to themselves."""

import pytest
from django.contrib.auth.models import Group
from django.test import Client
from django.urls import reverse

from accounts.mail.letters import letter
from accounts.models import OutgoingMail, User
from datasets.models import Erratum, Notice, Release
from datasets.services.maintainers import create_maintainer_groups
from tests.access import granted, link_of, offered
from tests.factories import (
    ArchiveFactory,
    DownloadRecordFactory,
    StaffFactory,
    UserFactory,
)
from tests.maintainers import let_in, maintainer, with_second_factor

pytestmark = pytest.mark.django_db


@pytest.fixture
def release() -> Release:
    return offered(name="Knee").releases.get()


def holder(release: Release, *, fetches: bool = False) -> User:
    link = link_of(granted(UserFactory(), release.dataset))
    if fetches:
        DownloadRecordFactory(link=link, archive=release.archives.get())
    return link.grant.user


def page_of(kind: str, pk: int, end: str = "try_notice") -> str:
    return reverse(f"admin:datasets_notice_{end}", args=[kind, pk])


def read(client: Client, path: str) -> str:
    answer = client.get(path)
    assert answer.status_code == 200
    return " ".join(answer.content.decode().split())


@pytest.mark.parametrize(
    ("kind", "says", "decision"),
    [
        ("release", "is published: 1 archive", "publish"),
        ("withdrawal", "Please delete what you have of it", "withdraw"),
        ("reinstatement", "is undone", "undo-withdrawal"),
    ],
)
def test_the_page_shows_the_mail_how_many_it_reaches_and_the_way_back(
    kind: str, says: str, decision: str, client: Client, release: Release
) -> None:
    maintainer(client)
    holder(release)
    holder(release, fetches=True)

    page = read(client, page_of(kind, release.pk))

    assert says in page
    assert ("2 people" if kind == "release" else "1 person") in page
    assert f'href="{reverse("admin:datasets_release_decide", args=[release.pk, decision])}"' in page
    assert not Notice.objects.exists()
    assert not OutgoingMail.objects.filter(template__startswith="release/").exists()


def test_a_test_goes_to_the_maintainer_alone_with_the_reason_that_was_tried(client: Client, release: Release) -> None:
    boss = maintainer(client)
    holder(release, fetches=True)
    path = f"{page_of('withdrawal', release.pk)}?text=Two+volumes+carried+dates."
    assert "Two volumes carried dates." in read(client, path)

    page = client.post(path, follow=True).content.decode()

    assert f"A test is on its way to {boss.email}." in page
    mail = OutgoingMail.objects.get(template="release/withdrawn")
    assert mail.to == boss.email
    said = letter(mail)
    assert said.subject == f"Test: {release} was withdrawn"
    assert "Two volumes carried dates." in said.text
    assert f"{release}: a test for {boss.email}" in read(client, "/admin/datasets/notice/")


def test_the_html_is_shown_by_itself_and_can_run_and_load_nothing(client: Client, release: Release) -> None:
    maintainer(client)

    answer = client.get(f"{page_of('withdrawal', release.pk, 'show_mail')}?text=<script>alert(1)</script>")

    rules = dict(rule.strip().partition(" ")[::2] for rule in answer["Content-Security-Policy"].split(";"))
    assert rules["default-src"] == "'none'"
    assert rules["script-src"] == "'none'"
    assert "sandbox" in rules
    assert "<script>" not in answer.content.decode()
    assert "was withdrawn" in answer.content.decode()


def test_whom_it_reaches_is_a_csv_that_the_log_keeps(client: Client, release: Release) -> None:
    maintainer(client)
    reader, _other = holder(release, fetches=True), holder(release)

    answer = client.post(page_of("withdrawal", release.pk, "export_told"))

    lines = b"".join(answer.streaming_content).decode().splitlines()  # type: ignore[attr-defined]
    assert [reader.email in line for line in lines] == [False, True]
    assert "who would be told of withdrawal, Knee" in read(client, "/admin/admin/logentry/")


def test_curators_may_try_it_and_never_learn_who_they_are(client: Client, release: Release) -> None:
    create_maintainer_groups()
    person = with_second_factor(StaffFactory(is_superuser=False))
    person.groups.add(Group.objects.get(name="Curators"))
    let_in(client, person)
    holder(release, fetches=True)

    assert "as CSV" not in read(client, page_of("withdrawal", release.pk))
    assert client.post(page_of("withdrawal", release.pk, "export_told")).status_code == 403


def test_reviewers_may_not(client: Client, release: Release) -> None:
    create_maintainer_groups()
    person = with_second_factor(StaffFactory(is_superuser=False))
    person.groups.add(Group.objects.get(name="Reviewers"))
    let_in(client, person)
    for end in ("try_notice", "show_mail", "export_told"):
        assert client.post(page_of("release", release.pk, end)).status_code == 403
    assert not Notice.objects.exists()


@pytest.mark.parametrize("path", ["agreement/1", "nothing/1", "release/99999", "erratum/99999"])
def test_what_is_not_there_is_not_found(path: str, client: Client) -> None:
    maintainer(client)
    assert client.get(f"/admin/datasets/notice/try/{path}/").status_code == 404


def test_the_pages_that_ask_say_who_will_be_mailed_and_lead_to_the_mail(client: Client, release: Release) -> None:
    maintainer(client)
    holder(release, fetches=True)

    page = read(client, reverse("admin:datasets_release_decide", args=[release.pk, "withdraw"]))

    assert "1 person, at once" in page
    assert page_of("withdrawal", release.pk) in page


class TestErratum:
    def test_it_is_written_tried_published_and_then_left_as_it_is(self, client: Client, release: Release) -> None:
        maintainer(client)
        reader = holder(release, fetches=True)
        words = {"release": release.pk, "archives": [release.archives.get().pk], "text": "The mask is **shifted**."}
        client.post("/admin/datasets/erratum/add/", words)
        erratum = Erratum.objects.get()
        asked = reverse("admin:datasets_erratum_decide", args=[erratum.pk, "publish"])
        assert page_of("erratum", erratum.pk) in read(client, asked)
        assert "The mask is shifted." in read(client, page_of("erratum", erratum.pk))

        client.post(asked, {"decided": "yes"})

        erratum.refresh_from_db()
        assert erratum.is_published
        assert Notice.objects.get().erratum == erratum
        change = f"/admin/datasets/erratum/{erratum.pk}/change/"
        assert client.post(change, {**words, "text": "Nothing is wrong."}).status_code == 403
        assert "The mask is **shifted**." in read(client, change)
        assert reader.email not in read(client, change)

    def test_archives_of_the_same_name_are_told_apart_where_they_are_chosen(
        self, client: Client, release: Release
    ) -> None:
        maintainer(client)
        one = release.archives.all()[0]
        other = ArchiveFactory(name=one.name)
        menu = "/admin/autocomplete/?app_label=datasets&model_name=erratum&field_name=archives&term="

        told = {row["text"] for row in client.get(menu + one.name).json()["results"]}
        page = client.post(
            "/admin/datasets/erratum/add/", {"release": release.pk, "archives": [one.pk, other.pk], "text": "So."}
        ).content.decode()

        assert told == {f"{row.name} of {row.release}" for row in (one, other)}
        assert all(f"{name}</option>" in page for name in told)

    def test_an_archive_of_another_release_is_refused_with_a_sentence(self, client: Client, release: Release) -> None:
        maintainer(client)
        other = ArchiveFactory()

        page = client.post(
            "/admin/datasets/erratum/add/", {"release": release.pk, "archives": [other.pk], "text": "So."}
        ).content.decode()

        assert f"{other.name}: none of {release}." in page
        assert not Erratum.objects.exists()
