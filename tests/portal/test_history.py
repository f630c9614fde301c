"""Who changed what and when: every curated model has a history, which tells names and words, and outlives the row."""

from collections.abc import Callable
from io import StringIO
from typing import Any

import pytest
from django.contrib import admin
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Group, Permission
from django.core.management import call_command
from django.db.models import Model
from django.test import Client
from django.urls import reverse

from accounts.admin.history import TrackedAdmin, events_model
from accounts.admin.pages import _below
from accounts.models import Agreement, AgreementVersion, GroupMember, GroupRight, Signature, User
from accounts.models.work import Work
from datasets.models import Archive, Dataset, DownloadLink, DownloadRecord, Drift, Erratum, Release, Volume
from tests import imports
from tests.factories import (
    AgreementFactory,
    AgreementVersionFactory,
    ArchiveFactory,
    DatasetFactory,
    ErratumFactory,
    ReleaseFactory,
    StaffFactory,
    UserFactory,
)
from tests.maintainers import maintainer
from tests.owner import as_owner

pytestmark = pytest.mark.django_db

# Why a page of the admin has no history. Rows of work say themselves how they came to be as they are.
WITHOUT: dict[type[Model], str] = {
    Signature: "evidence: rows are added, and none is ever changed or removed",
    DownloadRecord: "evidence: rows are added, and none is ever changed or removed",
    LogEntry: "it is a history itself",
    DownloadLink: "a link is made, then replaced or revoked once, and says when; the log says who did it",
    Volume: "what reading an archive found; nobody writes it by hand, and its archive's history says when",
    Drift: "what a check found; it says from when to when that was so",
}


def draft_release() -> Release:
    return ReleaseFactory(status="draft", published_at=None)


# A row that may be removed by hand, and what is written into one of its fields.
MADE: dict[type[Model], tuple[Callable[[], Any], str, str]] = {
    Dataset: (DatasetFactory, "summary", "Another summary."),
    Release: (draft_release, "summary", "Another summary."),
    Archive: (lambda: ArchiveFactory(release=draft_release(), size=7), "coils", "4 to 20"),
    Erratum: (lambda: ErratumFactory(published_at=None), "text", "Another text."),
    Agreement: (AgreementFactory, "title", "Another title"),
    AgreementVersion: (
        lambda: AgreementVersionFactory(status="draft", published_at=None, required_from=None),
        "summary",
        "Another summary.",
    ),
    Group: (lambda: Group.objects.create(name="helpers"), "name", "Helpers of others"),
}
TRACKED = [page for page in admin.site._registry.values() if isinstance(page, TrackedAdmin)]


def address(model: type[Model], page: str, *args: object) -> str:
    return reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_{page}", args=args)


def written(client: Client, row: Any, **words: object) -> None:
    """Save the row's page with another value in one field."""
    path = address(type(row), "change", row.pk)
    form = client.get(path).context["adminform"].form
    told = {form.add_prefix(name): form[name].value() for name in form.fields}
    told = {name: value for name, value in told.items() if value is not None and value is not False}
    answer = client.post(path, {**told, **words})
    assert answer.status_code == 302, answer.context["errors"]


@pytest.mark.parametrize("page", admin.site._registry.values(), ids=lambda page: page.opts.model_name)
def test_every_page_has_a_history_or_a_reason_for_none(page: admin.ModelAdmin) -> None:
    if issubclass(page.model, Work) or page.model in WITHOUT:
        assert events_model(page.model) is None
        return
    assert events_model(page.model) is not None
    assert any("history" in make.__name__ for _permission, make in _below[page.model])


def test_what_can_be_removed_by_hand_has_a_page_for_what_was() -> None:
    assert {page.model for page in TRACKED} == set(MADE)


@pytest.mark.parametrize("model", MADE)
def test_a_change_and_a_removal_by_hand_are_told_with_name_and_words(model: type[Model], client: Client) -> None:
    user = maintainer(client)
    make, field, words = MADE[model]
    row = make()
    written(client, row, **{field: words})
    page = client.get(address(model, "change", row.pk)).content.decode()
    assert f"→ {words}" in page
    assert user.email in page

    client.post(address(model, "delete", row.pk), {"post": "yes"})
    assert not model._default_manager.filter(pk=row.pk).exists()
    removed = client.get(address(model, "removed")).content.decode()
    assert user.email in removed
    assert address(model, "history", row.pk) in removed
    history = client.get(address(model, "history", row.pk)).content.decode()
    assert f"→ {words}" in history
    assert "Removed" in history


@pytest.mark.parametrize("model", MADE)
def test_who_may_not_see_a_row_does_not_see_its_history(model: type[Model], client: Client) -> None:
    row = MADE[model][0]()
    maintainer(client, is_superuser=False)
    assert client.get(address(model, "history", row.pk)).status_code == 403
    assert client.get(address(model, "removed")).status_code == 403


def test_rights_and_members_of_a_group_are_told(client: Client) -> None:
    user = maintainer(client)
    group, member = Group.objects.create(name="helpers"), StaffFactory(is_superuser=False)
    right = Permission.objects.get(codename="change_release")
    client.post(address(Group, "change", group.pk), {"name": "helpers", "permissions": [right.pk]})
    written(client, member, groups=[group.pk])
    page = client.get(address(Group, "change", group.pk)).content.decode()
    assert "change release: came" in page
    assert f"{member.email} came" in page
    assert "group helpers: came" in client.get(address(User, "change", member.pk)).content.decode()
    for model in (GroupRight, GroupMember):
        event = events_model(model)._default_manager.latest("pgh_id")
        assert event.pgh_context.metadata == {"user": user.pk}


def test_an_account_that_is_disabled_or_made_a_maintainers_is_told(client: Client) -> None:
    user = maintainer(client)
    person = UserFactory()
    assert not events_model(User)._default_manager.filter(pgh_obj=person.pk).exists()
    client.post(address(User, "decide", person.pk, "disable"), {"decided": "yes"})
    page = client.get(address(User, "change", person.pk)).content.decode()
    assert "active: yes → no" in page
    assert user.email in page


def test_what_the_command_line_does_stands_in_the_name_of_whom_it_says(
    transactional_db: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    by, dataset = StaffFactory(), DatasetFactory()
    monkeypatch.setattr("datasets.services.releases.ingesting.Sandbox", imports.Reader)
    imports.empty()
    imports.upload("knee_train.tar")
    call_command("import_release", dataset.slug, "3.1", imports.place(), f"--by={by.email}", stdout=StringIO())
    imports.empty()
    release = Release.objects.get(dataset=dataset)
    for row in (release, release.archives.get()):
        made = events_model(type(row))._default_manager.filter(pgh_obj=row.pk).earliest("pgh_id")
        assert made.pgh_context.metadata == {"user": by.pk}


def test_part_hashes_are_not_repeated_in_the_history() -> None:
    archive = ArchiveFactory()
    before = events_model(Archive)._default_manager.count()
    Archive.objects.filter(pk=archive.pk).update(coils="16")
    assert events_model(Archive)._default_manager.count() == before + 1
    assert "part_hashes" not in {field.name for field in events_model(Archive)._meta.get_fields()}


@pytest.mark.parametrize("number", ["0", "9" * 30, "x", "%00", "-1"])
def test_histories_of_rows_that_never_were_are_not_found(number: str, client: Client) -> None:
    maintainer(client)
    assert client.get(f"/admin/datasets/release/{number}/history/", follow=True).status_code in (200, 404)


def test_a_row_of_before_there_was_a_history_has_a_page_that_says_so(client: Client) -> None:
    maintainer(client)
    with as_owner(freely_with=["accounts_agreement"]):
        agreement = AgreementFactory()
    page = client.get(f"/admin/accounts/agreement/{agreement.pk}/history/")
    assert page.status_code == 200
    assert f"History of {agreement}" in page.content.decode()
    assert "Nothing has been recorded yet." in page.content.decode()
    assert client.get(f"/admin/accounts/agreement/{agreement.pk + 1}/history/").status_code == 404


def test_a_reason_is_told_whole_and_another_long_text_is_counted(client: Client) -> None:
    maintainer(client)
    release = ReleaseFactory()
    reason, summary = "One volume carried a name. " * 4, "Another summary. " * 6
    release.status, release.reason, release.withdrawn_at = Release.Status.WITHDRAWN, reason, release.published_at
    release.save()
    release.dataset.summary = summary
    release.dataset.save()

    page = client.get(f"/admin/datasets/release/{release.pk}/history/").content.decode()
    assert f"reason: nothing → {reason}" in page
    page = client.get(f"/admin/datasets/dataset/{release.dataset_id}/history/").content.decode()
    assert f"a text of {len(summary)} characters" in page
    assert summary not in page
