"""Agreement versions are drafted in the admin, and published through the service."""

import re
from datetime import timedelta

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from django.utils.formats import date_format

from accounts.models import AgreementVersion
from datasets.models import Notice
from datasets.tasks import send_notices
from tests.access import disabled, granted, offered, publish_next, set_end, sign
from tests.factories import AgreementFactory, AgreementVersionFactory, NoticeFactory, UserFactory
from tests.maintainers import maintainer

pytestmark = pytest.mark.django_db
ADD = "/admin/accounts/agreementversion/add/"


def draft(**facts: object) -> AgreementVersion:
    return AgreementVersionFactory(
        **{"status": "draft", "published_at": None, "required_from": None, "number": 1} | facts
    )


def decide(client: Client, version: AgreementVersion, name: str) -> str:
    path = reverse("admin:accounts_agreementversion_decide", args=[version.pk, name])
    return client.post(path, {"decided": "yes"}, follow=True).content.decode()


def asked_about(client: Client, version: AgreementVersion) -> str:
    path = reverse("admin:accounts_agreementversion_decide", args=[version.pk, "publish"])
    return client.get(path).content.decode()


def test_a_draft_is_written_with_a_statement_a_line(client: Client) -> None:
    maintainer(client)
    agreement = AgreementFactory()

    client.post(
        ADD,
        {"agreement": agreement.pk, "number": 1, "text": "# Terms", "statements": "I have read it.\n\n I agree. \n"},
    )

    version = AgreementVersion.objects.get()
    assert version.statements == ["I have read it.", "I agree."]
    assert version.status == "draft"


def test_a_new_version_begins_with_the_text_before(client: Client) -> None:
    maintainer(client)
    before = AgreementVersionFactory(number=4, text="# Terms of version four")

    page = client.get(ADD, {"agreement": before.agreement_id}).content.decode()

    assert "# Terms of version four" in page
    assert 'name="number" value="5"' in page
    assert before.statements[0] in page


def test_a_number_that_is_left_out_is_the_next_one(client: Client) -> None:
    maintainer(client)
    before = AgreementVersionFactory(number=4)
    words = {"agreement": before.agreement_id, "number": "", "text": "# Terms", "statements": "I agree."}

    client.post(ADD, words)

    assert AgreementVersion.objects.get(status="draft").number == 5


def test_an_urgent_draft_needs_its_day(client: Client) -> None:
    maintainer(client)
    words = {"agreement": AgreementFactory().pk, "text": "# Terms", "statements": "I agree.", "urgent": "on"}

    page = client.post(ADD, words).content.decode()

    assert "Say from which day an urgent version is required." in page
    assert not AgreementVersion.objects.exists()


def test_the_hash_of_a_draft_is_that_of_the_published_text(client: Client) -> None:
    maintainer(client)
    words = {"agreement": AgreementFactory().pk, "text": " # Terms\r\n\r\nBe kind.\r\n", "statements": "I agree."}
    client.post(ADD, words)
    version = AgreementVersion.objects.get()

    page = asked_about(client, version)
    decide(client, version, "publish")

    drafted = version.sha256
    version.refresh_from_db()
    assert (version.status, version.sha256, version.text) == ("required", drafted, "# Terms\n\nBe kind.\n")
    assert " ".join(version.hash_groups) in page
    assert "<pre># Terms\n\nBe kind.\n</pre>" in page


def test_before_publishing_the_day_and_who_must_sign_are_told(client: Client) -> None:
    maintainer(client)
    dataset = offered()
    granted(UserFactory(), dataset)
    set_end(granted(UserFactory(), dataset), -1)
    day = timezone.now() + timedelta(days=20)
    facts = {"agreement": dataset.agreement, "number": 2}

    told = {
        "dated": asked_about(client, draft(**facts, required_from=day)),
        "editorial": asked_about(client, draft(**facts | {"number": 3}, editorial=True)),
        "urgent": asked_about(client, draft(**facts | {"number": 4}, urgent=True)),
        "first": asked_about(client, draft()),
    }

    assert date_format(day, "j F Y, H:i") in told["dated"]
    assert "1 person whose access runs" in told["dated"]
    assert "never: an editorial version" in told["editorial"]
    assert "0 people whose access runs" in told["editorial"]
    assert "Version 4 is urgent. Say from which day" in told["urgent"]
    assert "the moment of its publication, as the first version" in told["first"]


def test_statements_of_a_published_version_are_a_list(client: Client) -> None:
    maintainer(client)
    version = AgreementVersionFactory(statements=["I have read it.", "I agree."])

    page = client.get(f"/admin/accounts/agreementversion/{version.pk}/change/").content.decode()

    assert "I have read it.<br>I agree." in page


@pytest.mark.parametrize("odd", ["x", "99999999999999999999", "-1", "", "\0"])
def test_an_odd_agreement_in_the_address_is_no_error(odd: str, client: Client) -> None:
    maintainer(client)

    assert client.get(ADD, {"agreement": odd}).status_code == 200
    assert client.post(ADD, {"agreement": odd}).status_code == 200
    assert not AgreementVersion.objects.exists()


def test_publishing_freezes_the_text(client: Client) -> None:
    maintainer(client)
    version = draft()

    decide(client, version, "publish")

    version.refresh_from_db()
    assert version.status == "required"
    response = client.post(f"/admin/accounts/agreementversion/{version.pk}/change/", {"text": "Other"})
    assert response.status_code == 403


def test_what_keeps_a_draft_from_being_published_is_said(client: Client) -> None:
    maintainer(client)
    version = draft(statements=[])

    page = decide(client, version, "publish")

    version.refresh_from_db()
    assert "no statements to tick" in page
    assert version.status == "draft"


def test_a_version_is_published_once(client: Client) -> None:
    maintainer(client)
    version = draft()
    decide(client, version, "publish")
    AgreementVersion.objects.filter(pk=version.pk).update(required_from=timezone.now() + timedelta(days=1))

    page = decide(client, version, "publish")

    assert "only a draft is published" in page


def test_published_versions_are_kept(client: Client) -> None:
    maintainer(client)
    version = AgreementVersionFactory()

    response = client.post(f"/admin/accounts/agreementversion/{version.pk}/delete/", {"post": "yes"})

    assert response.status_code == 403
    assert AgreementVersion.objects.filter(pk=version.pk).exists()


def test_drafts_may_be_thrown_away(client: Client) -> None:
    maintainer(client)
    version = draft()

    client.post(f"/admin/accounts/agreementversion/{version.pk}/delete/", {"post": "yes"})

    assert not AgreementVersion.objects.exists()


def test_before_publishing_the_difference_and_who_is_mailed_are_told(client: Client) -> None:
    maintainer(client)
    dataset = offered()
    granted(UserFactory(), dataset)
    disabled(granted(UserFactory(), dataset))
    text = AgreementVersion.objects.get().text.replace("Research only.", "Research <and> teaching only.")
    facts = {"agreement": dataset.agreement, "text": text}

    told = asked_about(client, draft(**facts, number=2, changes="Many asked."))
    editorial = asked_about(client, draft(**facts, number=3, editorial=True))

    assert "What changes since version 1" in told
    assert 'Research <ins><span class="hidden-label">added: </span>&lt;and&gt; teaching' in told
    assert "Many asked." in told
    assert "1 person, at once; who has not signed by" in told
    assert re.search(r"Will be mailed</th>\s*<td>nobody</td>", editorial)
    assert "neither mail nor page will give a reason" in editorial


def test_asking_to_publish_publishes_and_mails_nothing(client: Client) -> None:
    maintainer(client)
    dataset = offered()
    granted(UserFactory(), dataset)
    version = draft(agreement=dataset.agreement, number=2)

    asked_about(client, version)
    send_notices()

    version.refresh_from_db()
    assert (version.status, version.required_from) == ("draft", None)
    assert not Notice.objects.exists()


def test_a_version_says_who_signed_it_and_whom_its_notices_reached(client: Client) -> None:
    maintainer(client)
    dataset = offered()
    signed, _waits, _waits_too = (granted(UserFactory(), dataset).user for _each in range(3))
    publish_next(dataset, due_in=timedelta(days=20))
    send_notices()
    sign(signed, dataset)
    version = AgreementVersion.objects.get(number=2)

    page = client.get(f"/admin/accounts/agreementversion/{version.pk}/change/").content.decode()

    cells = re.findall(r"<td>(.*?)</td>", page)
    assert cells[cells.index("Hold access, and have signed neither this nor a later one") + 1] == "2"
    assert cells[next(at for at, cell in enumerate(cells) if "Signed this version" in cell) + 1] == "1"
    row = next(at for at, cell in enumerate(cells) if "New agreement version" in cell)
    assert cells[row + 2] == "3"


def test_the_list_of_notices_says_which_reached_how_many(client: Client) -> None:
    maintainer(client)
    NoticeFactory(reached=1_234, version__number=7)

    page = client.get("/admin/datasets/notice/").content.decode()

    assert "new agreement version</a>" in page
    assert "Data-use agreement, version 7" in page
    assert "1234" in page
