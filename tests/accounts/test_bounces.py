"""Mails that come back: what is kept of them, whom it is told, and what ends it."""

from datetime import timedelta
from typing import Any

import pytest
from allauth.account.models import EmailAddress
from django.contrib.messages import get_messages
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from accounts.mail import CODE_LIFETIME, bounce_of, deliver_next, queue
from accounts.mail.bounces import note_event
from accounts.models import Bounce, OutgoingMail, User
from accounts.services.codes import CHECKS_A_DAY
from accounts.services.registration import export_my_data
from accounts.services.retention import BOUNCE_DAYS, forget_bounces
from accounts.text import one_line
from tests.factories import PASSWORD, BounceFactory, StaffFactory, UserFactory
from tests.letters import NAME, register
from tests.mailserver import mail_server
from tests.maintainers import maintainer
from tests.registrations import newest_code, sign_in, wrong
from tests.threads import at_once
from tests.topic import about, bounced, complained

pytestmark = pytest.mark.django_db
CHECK = "/accounts/profile/address/"


@pytest.fixture
def quiet() -> User:
    return UserFactory.create(email="quiet@example.org", name="Quiet Reader")


@pytest.fixture
def mail(quiet: User) -> OutgoingMail:
    mail = queue("access/link", user=quiet, grant=1, link=None)
    assert mail is not None
    return mail


def note(event: dict[str, Any], number: str = "1") -> str:
    return note_event(event, number=number)


# Events -----------------------------------------------------------------------------------------------------


def test_a_permanent_bounce_marks_the_address(mail: OutgoingMail, quiet: User) -> None:
    assert note(bounced(mail)) == "permanent"
    bounce = bounce_of(quiet)
    assert bounce is not None
    assert (bounce.mail, bounce.address, bounce.said) == (mail, "quiet@example.org", "550 5.1.1 unknown")


@pytest.mark.parametrize("kind", ["Transient", "Undetermined", "", None, 7])
def test_what_is_not_permanent_is_kept_and_marks_nothing(mail: OutgoingMail, quiet: User, kind: Any) -> None:
    assert note(bounced(mail, kind=kind)) == "transient"
    assert bounce_of(quiet) is None


def test_what_ses_itself_says_stands_where_no_server_said_anything(mail: OutgoingMail) -> None:
    told = bounced(mail, bounceSubType="OnAccountSuppressionList", bouncedRecipients=[{"emailAddress": mail.to}])
    assert note(told) == "permanent"
    assert Bounce.objects.get().said == "Permanent, OnAccountSuppressionList"


def test_a_complaint_stops_announcements_and_marks_nothing(mail: OutgoingMail, quiet: User) -> None:
    assert note(complained(mail)) == "complaint"
    quiet.refresh_from_db()
    assert quiet.unsubscribed_at is not None
    assert bounce_of(quiet) is None


def test_a_complaint_that_is_told_again_does_not_stop_them_again(mail: OutgoingMail, quiet: User) -> None:
    note(complained(mail))
    User.objects.update(unsubscribed_at=None)
    assert note(complained(mail)) == "told before"
    quiet.refresh_from_db()
    assert quiet.unsubscribed_at is None


def test_who_says_that_a_mail_is_not_unwanted_goes_on_getting_announcements(mail: OutgoingMail, quiet: User) -> None:
    told = complained(mail)
    told["complaint"]["complaintFeedbackType"] = "not-spam"
    assert note(told) == "not kept"
    quiet.refresh_from_db()
    assert quiet.unsubscribed_at is None
    assert not Bounce.objects.exists()


def test_an_event_is_kept_once_however_often_it_comes(mail: OutgoingMail) -> None:
    assert [note(bounced(mail)) for _each in range(3)] == ["permanent", "told before", "told before"]
    assert Bounce.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_an_event_that_comes_twice_at_once_is_kept_once(mail: OutgoingMail) -> None:
    said = at_once([lambda: note(bounced(mail)), lambda: note(bounced(mail))])
    assert sorted(said) == ["permanent", "told before"]
    assert Bounce.objects.count() == 1


def test_ses_own_name_finds_the_mail_where_ours_is_not_told(mail: OutgoingMail) -> None:
    mail.record_sent(carrier_id=f"0107-{mail.pk}")
    told = bounced(mail)
    del told["mail"]["commonHeaders"]
    assert note(told) == "permanent"


@pytest.mark.parametrize(
    "named",
    [
        {},
        {"messageId": "0107-999"},
        {"messageId": ["0107"], "commonHeaders": []},
        {"messageId": "\0", "commonHeaders": {"messageId": "<\0@example.org>"}},
        {"commonHeaders": {"messageId": "<00000000-0000-0000-0000-000000000000@example.org>"}},
        "text",
        None,
    ],
)
def test_events_about_mails_that_are_not_ours_are_passed_over(mail: OutgoingMail, named: Any) -> None:
    assert note({**bounced(mail), "mail": named}) == "unknown mail"
    assert not Bounce.objects.exists()


@pytest.mark.parametrize("kind", ["Delivery", "DeliveryDelay", "Send", "Open", "Gossip", None, [], {}])
def test_other_events_are_not_kept(mail: OutgoingMail, kind: Any) -> None:
    assert note({"eventType": kind, "mail": about(mail)}) == "not kept"


@pytest.mark.parametrize("recipients", [None, "quiet@example.org", {}, [None], [7], [{"emailAddress": None}], [{}]])
def test_odd_recipients_are_nobodys(mail: OutgoingMail, recipients: Any) -> None:
    assert note(bounced(mail, bouncedRecipients=recipients)) in {"nobody's", "another address"}
    assert not Bounce.objects.exists()


def test_an_address_that_is_not_the_mails_is_passed_over(mail: OutgoingMail) -> None:
    assert note(bounced(mail, bouncedRecipients=[{"emailAddress": "another@example.org"}])) == "another address"


def test_letter_case_of_an_address_does_not_matter(mail: OutgoingMail, quiet: User) -> None:
    note(bounced(mail, bouncedRecipients=[{"emailAddress": "Quiet@Example.org"}]))
    assert bounce_of(quiet) is not None


def test_an_address_is_known_in_its_ascii_form() -> None:
    user = UserFactory.create(email="quiet@bücher.example")
    mail = queue("access/link", user=user, grant=1, link=None)
    assert mail is not None
    assert note(bounced(mail, bouncedRecipients=[{"emailAddress": "Quiet@xn--bcher-kva.example"}])) == "permanent"
    assert bounce_of(user) is not None


def test_a_former_address_is_passed_over(mail: OutgoingMail) -> None:
    User.objects.update(email="another@example.org")
    assert note(bounced(mail)) == "a former address"
    assert not Bounce.objects.exists()


def test_a_mail_to_nobody_of_ours_is_nobodys() -> None:
    mail = queue("account/unknown_account", to="stranger@example.org")
    assert mail is not None
    assert note(bounced(mail)) == "nobody's"


@pytest.mark.parametrize("said", ["a\0b\ud800c\u202e", "x" * 5_000, "two\nlines", 7, {"a": "b"}])
def test_whatever_a_foreign_server_said_can_be_kept(mail: OutgoingMail, said: Any) -> None:
    told = bounced(mail, bouncedRecipients=[{"emailAddress": mail.to, "diagnosticCode": said}])
    assert note(told) == "permanent"
    kept = Bounce.objects.get().said
    assert len(kept) <= 500
    assert kept == one_line(kept)
    assert kept.isprintable()


@pytest.mark.parametrize("moment", [None, "never", "2026-99-99T00:00:00Z", "9999-12-31T23:59:59Z", 7])
def test_an_odd_time_of_an_event_is_now(mail: OutgoingMail, moment: Any) -> None:
    assert note(bounced(mail, timestamp=moment)) == "permanent"
    assert Bounce.objects.get().at <= timezone.now()


def test_what_ses_does_not_send_is_a_mail_that_failed(mail: OutgoingMail) -> None:
    mail.record_sent()
    assert note({"eventType": "Reject", "reject": {"reason": "Bad content"}, "mail": about(mail)}) == "rejected"
    mail.refresh_from_db()
    assert (mail.state, mail.reason) == ("failed", "SES did not send it: Bad content")


def test_a_rejection_that_is_told_again_does_not_fail_the_mail_that_was_sent_again(mail: OutgoingMail) -> None:
    rejection: dict[str, Any] = {"eventType": "Reject", "reject": {"reason": "Bad content"}, "mail": about(mail)}
    mail.record_sent(carrier_id=rejection["mail"]["messageId"])
    assert note(rejection) == "rejected"
    mail.retry()
    mail.record_sent(carrier_id="0107-of-the-second")
    assert note(rejection) == "told before"
    mail.refresh_from_db()
    assert mail.state == "done"


def test_a_rejection_with_an_odd_name_of_the_mail_is_taken(mail: OutgoingMail) -> None:
    mail.record_sent()
    assert note({"eventType": "Reject", "mail": about(mail) | {"messageId": "\0"}}) == "rejected"


# SMTP -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("answer", "marked"),
    [
        ("550 5.1.1 no such user", True),
        ("550 no such user", True),
        ("553 5.1.3 bad address", True),
        ("550 5.2.1 mailbox disabled", True),
        ("550 5.7.1 we do not like you", False),
        ("550 5.1.7 bad address of the sender", False),
        ("550 5.1.8 sender's domain not found", False),
        ("552 5.2.2 mailbox full", False),
        ("554 no", False),
        ("450 4.2.1 later", False),
    ],
)
def test_smtp_sets_the_same_mark_where_the_address_is_refused(
    quiet: User, monkeypatch: pytest.MonkeyPatch, settings: Settings, answer: str, marked: bool
) -> None:
    register(monkeypatch, settings)
    queue(NAME, user=quiet)
    with mail_server() as server:
        settings.EMAIL_BACKEND = "accounts.mail.smtp.EmailBackend"
        settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", server.port
        server.rcpt = answer
        assert deliver_next()
    assert (bounce_of(quiet) is not None) == marked


# Telling the person, and ending it ----------------------------------------------------------------------------


def test_the_person_is_told_at_sign_in(client: Client, quiet: User) -> None:
    BounceFactory(user=quiet)
    response = sign_in(client, quiet.email, PASSWORD)
    [said] = [str(message) for message in get_messages(response.wsgi_request)]
    assert "Our mail to quiet@example.org comes back" in said
    assert f'href="{CHECK}"' in said


def test_whose_mail_arrives_is_told_nothing(client: Client, quiet: User) -> None:
    BounceFactory(user=quiet, kind=Bounce.Kind.TRANSIENT)
    BounceFactory(user=quiet, settled_at=timezone.now())
    BounceFactory(user=quiet, address="former@example.org")
    BounceFactory()
    response = sign_in(client, quiet.email, PASSWORD)
    assert [str(message) for message in get_messages(response.wsgi_request)] == []
    assert "comes back" not in client.get("/accounts/profile/").content.decode()


def test_the_profile_says_so(client: Client, quiet: User) -> None:
    BounceFactory(user=quiet, said="550 <no> such user")
    client.force_login(quiet)
    page = client.get("/accounts/profile/").content.decode()
    assert "Our mail to you comes back" in page
    assert "550 &lt;no&gt; such user" in page


def code_asked(client: Client, quiet: User) -> str:
    client.force_login(quiet)
    assert client.post(CHECK, {"send": "yes"})["Location"] == CHECK
    return newest_code()


def test_a_code_that_arrives_ends_it(client: Client, quiet: User) -> None:
    BounceFactory(user=quiet)
    code = code_asked(client, quiet)
    assert "We mailed six digits" in client.get(CHECK).content.decode()
    assert client.post(CHECK, {"code": code})["Location"] == "/accounts/profile/"
    assert bounce_of(quiet) is None


def test_a_wrong_code_ends_nothing(client: Client, quiet: User) -> None:
    BounceFactory(user=quiet)
    code = code_asked(client, quiet)
    for _each in range(3):
        assert "That is not the code we sent" in client.post(CHECK, {"code": wrong(code)}).content.decode()
    assert "That is not the code we sent" in client.post(CHECK, {"code": code}).content.decode()
    assert bounce_of(quiet) is not None


@pytest.mark.parametrize("typed", ["", "\0", "x" * 9_999, "１２３４５６"])
def test_an_odd_code_gets_a_sentence(client: Client, quiet: User, typed: str) -> None:
    BounceFactory(user=quiet)
    code_asked(client, quiet)
    page = client.post(CHECK, {"code": typed})
    assert page.status_code == 200
    assert "error" in page.content.decode().lower()
    assert bounce_of(quiet) is not None


def test_codes_are_mailed_some_times_a_day(client: Client, quiet: User) -> None:
    BounceFactory(user=quiet)
    client.force_login(quiet)
    for _each in range(CHECKS_A_DAY + 2):
        client.post(CHECK, {"send": "yes"})
    assert OutgoingMail.objects.filter(template="account/address_check").count() == CHECKS_A_DAY
    assert "change the address" in client.get(CHECK).content.decode()


def test_a_code_without_a_session_that_asked_ends_nothing(client: Client, quiet: User) -> None:
    BounceFactory(user=quiet)
    code = code_asked(client, quiet)
    other = Client()
    other.force_login(quiet)
    assert "Mail me a code" in other.post(CHECK, {"code": code}).content.decode()
    assert bounce_of(quiet) is not None


@pytest.mark.parametrize("change", ["another address", "too late"])
def test_a_code_that_counts_no_more_is_not_waited_for(client: Client, quiet: User, change: str) -> None:
    BounceFactory(user=quiet)
    code = code_asked(client, quiet)
    if change == "too late":
        OutgoingMail.objects.update(created_at=timezone.now() - CODE_LIFETIME)
    else:
        EmailAddress.objects.filter(user=quiet).update(email="new@example.org")
        User.objects.filter(pk=quiet.pk).update(email="new@example.org")
        quiet.refresh_from_db()
        BounceFactory(user=quiet, address=quiet.email)
    page = client.get(CHECK).content.decode()
    assert "Mail me a code" in page
    assert "We mailed six digits" not in page
    assert "That code has ended" in client.post(CHECK, {"code": code}).content.decode()
    assert bounce_of(quiet) is not None


def test_the_page_leads_on_when_there_is_nothing_to_show(client: Client, quiet: User) -> None:
    client.force_login(quiet)
    assert client.get(CHECK)["Location"] == "/accounts/profile/"


def test_it_is_for_who_is_signed_in(client: Client) -> None:
    assert client.get(CHECK)["Location"].startswith("/accounts/login/")


def test_another_address_ends_it(quiet: User) -> None:
    BounceFactory(user=quiet)
    EmailAddress.objects.filter(user=quiet).update(email="new@example.org")
    User.objects.filter(pk=quiet.pk).update(email="new@example.org")
    quiet.refresh_from_db()
    assert bounce_of(quiet) is None


def test_an_event_from_before_the_code_arrived_undoes_nothing(client: Client, mail: OutgoingMail, quiet: User) -> None:
    earlier = timezone.now() - timedelta(minutes=5)
    note(bounced(mail, at=earlier))
    client.post(CHECK, {"code": code_asked(client, quiet)})
    note(bounced(mail, at=earlier), "2")
    assert bounce_of(quiet) is None
    note(bounced(mail, at=timezone.now()), "3")
    assert bounce_of(quiet) is not None


def test_mails_that_the_person_asks_for_are_sent_all_the_same(quiet: User) -> None:
    BounceFactory(user=quiet)
    mail = queue("account/unknown_account", user=quiet)
    assert mail is not None
    assert deliver_next()
    mail.refresh_from_db()
    assert (mail.state, mail.reason) == ("done", "")


# In the admin, and how long -----------------------------------------------------------------------------------


def test_the_admin_marks_people_and_lists_them(client: Client, quiet: User) -> None:
    maintainer(client)
    BounceFactory(user=quiet, said="550 5.1.1 <gone>")
    BounceFactory(kind=Bounce.Kind.TRANSIENT)
    everybody = client.get("/admin/accounts/user/").content.decode()
    marked = client.get("/admin/accounts/user/?mail=back").content.decode()
    page = client.get(f"/admin/accounts/user/{quiet.pk}/change/").content.decode()
    assert everybody.count(">unreachable<") == 1
    assert "1 user" in marked
    assert "quiet@example.org" in marked
    assert "550 5.1.1 &lt;gone&gt;" in page
    assert "not known to work" in page


@pytest.mark.parametrize("value", ["", "forth", "\0", "back'--"])
def test_an_odd_filter_lists_everybody_or_says_so(client: Client, quiet: User, value: str) -> None:
    maintainer(client)
    assert client.get("/admin/accounts/user/", {"mail": value}).status_code in {200, 302}


def test_bounces_are_kept_for_a_time(quiet: User) -> None:
    old = BounceFactory(user=quiet, at=timezone.now() - timedelta(days=BOUNCE_DAYS + 1))
    new = BounceFactory(user=quiet)
    assert forget_bounces(BOUNCE_DAYS) == 1
    assert list(Bounce.objects.all()) == [new]
    assert old.pk != new.pk


def test_my_data_has_them(quiet: User) -> None:
    BounceFactory(user=quiet)
    BounceFactory(user=StaffFactory(), said="of somebody else")
    [told] = export_my_data(quiet)["mails_that_came_back"]
    assert (told["address"], told["kind"]) == ("quiet@example.org", "permanent")
