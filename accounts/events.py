"""Where Amazon tells what became of mails: /mail/events/. Whoever else writes there is turned away, and nothing of
what came is logged."""

import logging

from django.conf import settings
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from accounts.exceptions import CertificateAway, EventRefused
from accounts.mail.bounces import note_event
from accounts.mail.sns import Told, confirm_subscription, parsed, verified

logger = logging.getLogger(__name__)

# SNS sends no more than 256 KiB of text, which JSON may write longer.
LONGEST = 600_000


# Amazon is asked for a certificate meanwhile: no transaction waits for that.
@transaction.non_atomic_requests
@csrf_exempt
@never_cache
@require_POST
def mail_events(request: HttpRequest) -> HttpResponse:
    """Says no more than whether it is to be sent again: only to a 5xx does SNS listen."""
    topic = settings.SES_EVENTS_TOPIC_ARN
    if not topic:
        raise Http404("This site is told of no events.")
    if len(request.body) > LONGEST:
        return _answer("Too large.", 413)
    try:
        outcome = _taken(verified(request.body, topic=topic), topic)
    except EventRefused as why:
        logger.warning("mail event refused", extra={"why": str(why)})
        return _answer("Not taken.", 400)
    except CertificateAway as why:
        logger.warning("mail event not verified yet", extra={"why": str(why)})
        return _answer("Come again.", 503)
    logger.info("mail event", extra={"outcome": outcome})
    return _answer("Taken.", 200)


def _taken(told: Told, topic: str) -> str:
    if told.kind == "SubscriptionConfirmation":
        confirm_subscription(told, topic=topic)
        return "subscribed"
    if told.kind == "UnsubscribeConfirmation":
        logger.warning("the topic tells this site of no more events")
        return "unsubscribed"
    try:
        event = parsed(told.said["Message"])
    except EventRefused:
        # SES greets a new topic with a sentence.
        return "no event"
    return note_event(event, number=told.number)


def _answer(text: str, status: int) -> HttpResponse:
    return HttpResponse(f"{text}\n", status=status, content_type="text/plain; charset=utf-8")
