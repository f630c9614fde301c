"""A new version of an agreement, from its publication to the day from which it is required and past it."""

from datetime import timedelta
from typing import Any

import pytest
from django.conf import settings
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.mail.letters import letter
from accounts.models import AgreementVersion, OutgoingMail, User
from accounts.services.agreements import current_version, publish_version
from accounts.tasks import require_due_versions
from datasets.models import Dataset, Notice
from datasets.services.downloads import token_of
from datasets.tasks import send_notices
from tests.access import granted, link_of, offered
from tests.factories import AgreementVersionFactory, StaffFactory, UserFactory
from tests.sessions import signed_in

pytestmark = pytest.mark.django_db
TEXT = "# Terms\n\n## Use\n\nResearch only.\n"


class Reader:
    """Somebody with access, a browser, and a command that runs on a cluster."""

    def __init__(self, dataset: Dataset) -> None:
        self.dataset = dataset
        self.user: User = UserFactory(name="Quiet Reader")
        self.link = link_of(granted(self.user, dataset))
        self.browser = signed_in(self.user)
        self.address = f"/get/{token_of(self.link)}/{self.link.release.archives.get().name}"

    def downloads(self) -> Any:
        return Client().get(self.address)

    def reads(self, page: str) -> str:
        return " ".join(self.browser.get(page).content.decode().split())

    def signs(self) -> str:
        version = current_version(self.dataset.agreement)
        assert version is not None
        answers = {
            "version": version.pk,
            "sha256": version.sha256,
            "statements": [str(place) for place in range(len(version.statements))],
            "typed_name": "Quiet Reader",
        }
        page = self.browser.post(reverse("agreement", args=[self.dataset.slug]), answers, follow=True)
        return " ".join(page.content.decode().split())


@pytest.fixture
def reader() -> Reader:
    return Reader(offered(name="Knee"))


def publish(dataset: Dataset, **facts: object) -> AgreementVersion:
    given = {"status": "draft", "published_at": None, "required_from": None, "number": 2, "text": TEXT}
    return publish_version(AgreementVersionFactory(agreement=dataset.agreement, **given | facts), by=StaffFactory())


def let_the_day_come(version: AgreementVersion) -> None:
    AgreementVersion.objects.filter(pk=version.pk).update(required_from=timezone.now() - timedelta(seconds=1))
    require_due_versions()


def mails_of(reader: Reader, template: str) -> list[OutgoingMail]:
    return list(OutgoingMail.objects.filter(template=template, user=reader.user))


def states(dataset: Dataset) -> list[str]:
    return list(dataset.agreement.versions.order_by("number").values_list("status", flat=True))


def test_links_live_until_the_day_then_stop_with_a_sentence_and_live_again_once_it_is_signed(reader: Reader) -> None:
    version = publish(reader.dataset, changes="Many asked.")
    send_notices()
    require_due_versions()

    [told] = [letter(mail) for mail in mails_of(reader, "agreement/new_version")]
    where = reverse("agreement", args=[reader.dataset.slug])
    assert where in told.body
    assert "Many asked." in told.body
    assert states(reader.dataset) == ["required", "published"]
    assert reader.downloads().status_code == 302
    assert "your commands work without it" in reader.reads(where)

    let_the_day_come(version)

    refused = reader.downloads()
    assert states(reader.dataset) == ["superseded", "required"]
    assert (refused.status_code, refused.content.decode().count("\n")) == (403, 1)
    assert f"has a new version. Read and sign it at {settings.SITE_URL}{where}" in refused.content.decode()

    assert "You signed version 2." in reader.signs()

    assert reader.downloads().status_code == 302
    assert reader.reads("/accounts/profile/").count("<td>Current</td>") == 1


def test_who_signs_before_the_day_notices_nothing_of_it(reader: Reader) -> None:
    version = publish(reader.dataset)
    send_notices()
    reader.signs()

    let_the_day_come(version)

    assert reader.downloads().status_code == 302


def test_an_editorial_version_asks_nobody_and_stops_nothing(reader: Reader) -> None:
    publish(reader.dataset, editorial=True)

    send_notices()
    require_due_versions()

    assert not Notice.objects.exists()
    assert mails_of(reader, "agreement/new_version") == []
    assert reader.downloads().status_code == 302
    assert "typed_name" not in reader.reads(reverse("agreement", args=[reader.dataset.slug]))
    assert states(reader.dataset) == ["required", "published"]


def test_an_editorial_version_on_top_of_one_that_is_due_does_not_open_what_that_one_closed(reader: Reader) -> None:
    version = publish(reader.dataset)
    publish(reader.dataset, number=3, editorial=True)

    let_the_day_come(version)

    assert reader.downloads().status_code == 403
    reader.signs()
    assert reader.downloads().status_code == 302


def test_a_version_that_replaces_one_before_its_day_keeps_the_first_ones_day(reader: Reader) -> None:
    first = publish(reader.dataset)
    publish(reader.dataset, number=3)
    send_notices()

    let_the_day_come(first)

    assert reader.downloads().status_code == 403
    reader.signs()
    assert reader.downloads().status_code == 302


def test_an_urgent_version_stops_downloads_as_soon_as_it_says_and_its_mail_says_so(reader: Reader) -> None:
    version = publish(reader.dataset, urgent=True, required_from=timezone.now())
    send_notices()
    require_due_versions()

    [told] = [letter(mail) for mail in mails_of(reader, "agreement/new_version")]

    assert told.subject.startswith("Urgent: ")
    assert "It is urgent." in " ".join(told.body.split())
    assert "downloads stop until you sign it" in " ".join(told.body.split())
    assert version.status == "required"
    assert reader.downloads().status_code == 403


def test_mails_that_are_late_say_what_is_true_when_they_leave(reader: Reader) -> None:
    version = publish(reader.dataset)
    send_notices()
    let_the_day_come(version)

    [told] = [letter(mail) for mail in mails_of(reader, "agreement/new_version")]

    assert "to go on downloading" in told.subject
    assert "It is required since" in " ".join(told.body.split())
