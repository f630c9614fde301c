"""Home, the site's own texts, and what is said when something goes wrong."""

import sys

from django.db import InterfaceError, OperationalError, transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.template.loader import render_to_string
from django.views.decorators.http import require_safe
from redis.exceptions import ConnectionError as CacheGone
from redis.exceptions import TimeoutError as CacheSlow

from accounts.address import AddressUnknown
from accounts.services.retention import rules
from datasets.exceptions import PartDown
from datasets.services.downloads.delivery import refused_by_standby
from datasets.views.contents import Catalogue
from datasets.views.figures import figures
from datasets.views.kept import kept_for_visitors
from portal.context import facts

# A part of the site that is away, rather than a mistake of ours. In seconds: when to try again.
AWAY = (OperationalError, InterfaceError, CacheGone, CacheSlow, PartDown)
RETRY_AFTER = 60


@require_safe
@transaction.non_atomic_requests
@kept_for_visitors
def home(request: HttpRequest) -> HttpResponse:
    return render(request, "home.html", {"catalogue": Catalogue(), "figures": figures()})


@require_safe
@transaction.non_atomic_requests
def help_page(request: HttpRequest) -> HttpResponse:
    return render(request, "help.html")


@require_safe
@transaction.non_atomic_requests
def privacy(request: HttpRequest) -> HttpResponse:
    return render(request, "privacy.html", {"rules": rules()})


@require_safe
@transaction.non_atomic_requests
@kept_for_visitors
def cite(request: HttpRequest) -> HttpResponse:
    return render(request, "cite.html", {"catalogue": Catalogue()})


def bad_request(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    """Without the request: its host may be the lie that was refused."""
    sentence = str(exception) if isinstance(exception, AddressUnknown) else ""
    return HttpResponse(render_to_string("400.html", {"site": facts(), "sentence": sentence}), status=400)


def server_error(request: HttpRequest) -> HttpResponse:
    """Without the request and the database: either may be what broke. A part that is away is no mistake: 503."""
    error = sys.exception()
    if isinstance(error, AWAY) or refused_by_standby(error):
        answer = HttpResponse(render_to_string("503.html", {"site": facts()}), status=503)
        answer["Retry-After"] = str(RETRY_AFTER)
        return answer
    return HttpResponse(render_to_string("500.html", {"site": facts()}), status=500)


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    return render(request, "403_csrf.html", status=403)
