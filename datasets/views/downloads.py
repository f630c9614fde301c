"""Everything below /get/: no cookie is read or set, no page is kept, and each refusal is one sentence of plain text."""

import logging
import re

from django.db import InterfaceError, InternalError, OperationalError, transaction
from django.http import HttpRequest, HttpResponse
from django.utils.http import quote_etag
from django.views.decorators.csrf import csrf_exempt

from accounts.address import AddressUnknown, client_address
from accounts.tasks import hint, send_mails
from datasets.exceptions import (
    AccountDisabled,
    AgreementUnsigned,
    DailyCapReached,
    FileUnknown,
    GrantEnded,
    GrantMissing,
    GrantRevoked,
    LinkReplaced,
    LinkUnknown,
    PartDown,
    Refusal,
    ReleaseUnpublished,
    ReleaseWithdrawn,
    TooManyRequests,
)
from datasets.services.downloads.delivery import (
    Delivery,
    issue_download,
    open_file,
    open_link,
    refused_by_standby,
    require_status,
)
from datasets.services.downloads.lists import LISTS, as_page, as_text, listing_of
from datasets.services.downloads.places import country_of

log = logging.getLogger(__name__)
STATUS_OF: dict[type[Refusal], int] = {
    LinkUnknown: 404,
    FileUnknown: 404,
    ReleaseUnpublished: 404,
    LinkReplaced: 403,
    AccountDisabled: 403,
    GrantRevoked: 403,
    GrantMissing: 403,
    AgreementUnsigned: 403,
    GrantEnded: 410,
    ReleaseWithdrawn: 410,
    TooManyRequests: 429,
    DailyCapReached: 429,
}
# After so many seconds a client may ask again when a part of the site was down.
COME_BACK = 60
STORAGE_DOWN = (
    "The storage does not answer. Your link is fine; run the same command again in a few minutes: it will resume."
)
DATABASE_DOWN = (
    "The portal cannot look up your link now. Your link is fine; "
    "run the same command again in a few minutes: it will resume."
)
RANGE = re.compile(r"\s*bytes\s*=\s*([0-9]{0,18})\s*-\s*([0-9]{0,18})\s*\Z", re.ASCII)
AGENT_LENGTH = 200
# Of the choice of files in the query: more, or longer, no file's name can need.
MOST_PATTERNS, LONGEST_PATTERN = 100, 150


@csrf_exempt
@transaction.non_atomic_requests
def below_link(request: HttpRequest, token: str = "", name: str = "") -> HttpResponse:
    """A link's listing, its lists, its status or one of its files. One record is one commit, so no transaction."""
    try:
        response = answer(request, token, name)
    except Refusal as refusal:
        response = sentence(str(refusal), status=STATUS_OF[type(refusal)])
        if isinstance(refusal, TooManyRequests | DailyCapReached):
            response.headers["Retry-After"] = str(refusal.retry_after)
    except AddressUnknown as error:
        response = sentence(str(error), status=400)
    except PartDown as error:
        log.error("links are not answered: %s", error)
        response = sentence(STORAGE_DOWN, status=503)
        response.headers["Retry-After"] = str(COME_BACK)
    except (OperationalError, InterfaceError, InternalError) as error:
        if isinstance(error, InternalError) and not refused_by_standby(error):
            raise
        log.error("links are not answered: %s", error)
        response = sentence(DATABASE_DOWN, status=503)
        response.headers["Retry-After"] = str(COME_BACK)
    response.headers["Cache-Control"] = "no-store"
    response.headers["Referrer-Policy"] = "no-referrer"
    response.headers["X-Robots-Tag"] = "noindex"
    if request.method == "HEAD":
        response.headers.setdefault("Content-Length", str(len(response.content)))
        response.content = b""
    return response


def answer(request: HttpRequest, token: str, name: str) -> HttpResponse:
    if request.method not in ("GET", "HEAD"):
        response = sentence("Links answer GET and HEAD only.", status=405)
        response.headers["Allow"] = "GET, HEAD"
        return response
    if not name:
        return show_listing(request, token)
    if name == "status":
        require_status(token)
        return sentence("ok", status=200)
    if name in LISTS:
        return show_list(request, token, name)
    delivery = open_file(token, name)
    return describe(delivery) if request.method == "HEAD" else redirect_to_bucket(request, delivery)


def redirect_to_bucket(request: HttpRequest, delivery: Delivery) -> HttpResponse:
    address = client_address(request)
    first, asked = span(request.META.get("HTTP_RANGE", ""), delivery.size)
    issued = issue_download(
        delivery,
        first_byte=first,
        asked=asked,
        address=address,
        agent=client_of(request.META.get("HTTP_USER_AGENT", "")),
        country=country_of(address),
    )
    if issued.is_told:
        hint(send_mails)
    return HttpResponse(status=302, headers={"Location": issued.url, "Content-Type": "text/plain; charset=utf-8"})


def describe(delivery: Delivery) -> HttpResponse:
    """HEAD, from the database: the bucket answers 403 to a HEAD whose URL was signed for GET."""
    headers = {
        "Content-Type": "application/octet-stream",
        "Content-Length": str(delivery.size),
        "Accept-Ranges": "bytes",
        "Content-Disposition": f'attachment; filename="{delivery.name}"',
    }
    if delivery.etag:
        headers["ETag"] = quote_etag(delivery.etag)
    return HttpResponse(headers=headers)


def show_listing(request: HttpRequest, token: str) -> HttpResponse:
    """For people: a small page in a browser, plain text at a terminal."""
    listing = listing_of(open_link(token), chosen(request))
    if "text/html" in request.META.get("HTTP_ACCEPT", ""):
        response = HttpResponse(as_page(listing, request), content_type="text/html; charset=utf-8")
    else:
        response = HttpResponse(as_text(listing), content_type="text/plain; charset=utf-8")
    response.headers["Vary"] = "Accept"
    return response


def show_list(request: HttpRequest, token: str, name: str) -> HttpResponse:
    make, kind = LISTS[name]
    text = make(listing_of(open_link(token), chosen(request), with_parts=name == "manifest.json"))
    response = HttpResponse(text, content_type=f"{kind}; charset=utf-8")
    if name == "download.sh":
        response.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    return response


def chosen(request: HttpRequest) -> list[str]:
    """The patterns after ?only=, without empty ones."""
    return [pattern[:LONGEST_PATTERN] for pattern in request.GET.getlist("only")[:MOST_PATTERNS] if pattern]


def span(header: str, size: int) -> tuple[int, int]:
    """From which byte a Range asks, at most the size, and for how many; all of it where the bucket would send that."""
    found = RANGE.match(header)
    first, last = found.groups() if found else ("", "")
    if first and last:
        begin, end = int(first), int(last) + 1
        begin, end = (begin, end) if begin < end else (0, size)
    elif last:
        begin, end = size - int(last), size
    else:
        begin, end = int(first or 0), size
    begin = min(max(0, begin), size)
    return begin, min(end, size) - begin


def client_of(agent: str) -> str:
    """What the client calls itself, on one line and no longer than the column."""
    if not agent.isprintable():
        agent = "".join(letter for letter in agent if letter.isprintable())
    return agent[:AGENT_LENGTH]


def sentence(text: str, *, status: int) -> HttpResponse:
    return HttpResponse(f"{text}\n", status=status, content_type="text/plain; charset=utf-8")
