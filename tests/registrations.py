"""What a person types to register, and the mails that answer."""

import re
from email.message import EmailMessage
from typing import Any

from django.test import Client
from django.urls import reverse

from accounts.mail.letters import letter
from accounts.models import OutgoingMail
from tests.answers import ANSWERS as ANSWERS
from tests.answers import CONFIRM as CONFIRM
from tests.answers import LOGIN as LOGIN
from tests.answers import PASSWORD as PASSWORD
from tests.answers import SIGNUP as SIGNUP
from tests.answers import answers as answers
from tests.letters import parsed, text_of, wire

RESET = "/accounts/password/reset/"
RESET_CODE = "/accounts/password/reset/confirm/"
RESET_PASSWORD = "/accounts/password/reset/complete/"


def register(client: Client, email: str = "quiet@example.org", **others: str) -> Any:
    return client.post(SIGNUP, answers(email, **others))


def mails(to: str = "quiet@example.org") -> list[OutgoingMail]:
    return list(OutgoingMail.objects.filter(to=to).order_by("pk"))


def templates(to: str = "quiet@example.org") -> list[str]:
    return [mail.template.removeprefix("account/") for mail in mails(to)]


def read(mail: OutgoingMail) -> EmailMessage:
    """The mail as its reader gets it."""
    return parsed(wire(letter(mail)))


def code_in(mail: OutgoingMail) -> str:
    found = re.search(r"^    (\d{6})$", text_of(read(mail)), re.MULTILINE)
    assert found, text_of(read(mail))
    return found[1]


def newest_code(to: str = "quiet@example.org") -> str:
    return code_in(mails(to)[-1])


def wrong(code: str) -> str:
    return f"{(int(code) + 1) % 10**6:06}"


def confirm(client: Client, code: str) -> Any:
    return client.post(CONFIRM, {"code": code})


def confirmed(client: Client, email: str = "quiet@example.org") -> None:
    """Register and confirm, as a person does."""
    register(client, email)
    answer = confirm(client, newest_code(email))
    assert answer.status_code == 302, answer.content.decode()


def is_signed_in(client: Client) -> bool:
    return client.get(reverse("profile")).status_code == 200


def sign_in(client: Client, email: str, password: str = PASSWORD) -> Any:
    return client.post(LOGIN, {"login": email, "password": password})
