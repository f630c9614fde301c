"""From signing to links by mail, and what becomes of a mailed link: on the whole running site, with its worker."""

import re

from tests.demo import Demo
from tests.visitor import Visitor

DECIDE = """
from accounts.models import User
from datasets.models import AccessGrant, AccessRequest
from datasets.services import access
maintainer = User.objects.get(email="maintainer@example.org")
"""


def mailed_link(demo: Demo, email: str, title: str) -> str:
    mail = demo.wait_for_mail(email, f"{title} ", seconds=40)
    assert [part.name for part in mail.attachments] == ["commands.txt"]
    found = re.search(r"^    (http://\S+/get/\S+/)\s*$", mail.text, re.MULTILINE)
    assert found, mail.text
    return found[1]


def decide(demo: Demo, *lines: str) -> None:
    """What a maintainer does in the admin, by the services that the admin calls."""
    demo.command("shell", "--no-imports", "-c", DECIDE + "\n".join(lines))


def test_from_the_form_to_a_link_that_lives_as_long_as_the_access(demo: Demo) -> None:
    email = "from-form-to-link@example.org"
    person = Visitor(demo, email)
    person.register()

    signed = person.sign("knee")

    assert signed.address == f"{demo.url}/downloads/#knee"
    assert "Your access to Knee is open until" in signed.text
    receipt = demo.wait_for_mail(email, "Receipt: ", seconds=40)
    pdf, text = receipt.attachments
    assert pdf.name.endswith("-version-1-receipt.pdf")
    assert text.name.endswith("-version-1.txt")
    link = mailed_link(demo, email, "Knee")
    assert link in signed.html
    stranger = Visitor(demo, "")
    assert stranger.get(link).status == 200

    grant = f'grant = AccessGrant.objects.get(user__email="{email}", dataset__slug="knee")'
    decide(
        demo, "from datetime import timedelta", "from django.utils import timezone", grant,
        "now = timezone.now()",
        "AccessGrant.objects.filter(pk=grant.pk).update(starts_at=now - timedelta(200), ends_at=now - timedelta(1))",
    )  # fmt: skip
    assert stranger.get(link).status == 410
    renewal = re.search(r'action="(/downloads/\d+/renew/)"', person.get("/downloads/").html)
    assert renewal
    assert "Your access to Knee lasts until" in person.post(renewal[1], {}).text
    assert stranger.get(link).status == 200

    decide(demo, grant, 'access.revoke_grant(grant, by=maintainer, reason="The project has closed.")')
    refusal = stranger.get(link)
    assert refusal.status == 403
    assert "The project has closed" in refusal.html
    assert "The project has closed." in person.get("/downloads/").text
    # Nobody hinted at this mail; the sweeper finds its row.
    assert "The project has closed." in demo.wait_for_mail(email, "Knee: your access was ended", seconds=40).text


def test_a_request_is_acknowledged_decided_and_answered(demo: Demo) -> None:
    email = "asks-and-waits@example.org"
    person = Visitor(demo, email)
    person.register()

    assert "Your request for Brain waits for a person" in person.sign("brain").text

    assert "We write to this address" in demo.wait_for_mail(email, "Brain: we have your request", seconds=40).text
    request = f'request = AccessRequest.objects.get(user__email="{email}", status="pending")'
    decide(demo, request, 'access.decline_request(request, by=maintainer, reason="Say what is measured.")')
    assert "Say what is measured." in demo.wait_for_mail(email, "Brain: your request was declined", seconds=40).text
    assert "Say what is measured." in person.get("/downloads/").text

    assert "waits for a person" in person.post("/datasets/brain/ask/", {}).text
    decide(demo, request, "access.approve_request(request, by=maintainer)")
    link = mailed_link(demo, email, "Brain")
    assert link in person.get("/downloads/").html
    assert Visitor(demo, "").get(link).status == 200


def test_the_chain_of_signatures_is_whole(demo: Demo) -> None:
    person = Visitor(demo, "one-more-signature@example.org")
    person.register()
    person.sign("knee")

    assert "The chain is whole" in demo.command("verify_evidence").stdout
