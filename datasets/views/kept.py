"""Public pages, kept as visitors without a session see them.

A page is made once and kept in this process for up to a minute, under the edition of the catalogue, so that a release
or a withdrawal shows at once. For anybody with a session it is made anew: nobody ever sees what was made for another.
"""

import hashlib
from collections.abc import Callable
from functools import update_wrapper
from typing import Concatenate, ParamSpec

from django.conf import settings
from django.core.cache import caches
from django.db import connection
from django.http import HttpRequest, HttpResponse
from django.utils.cache import add_never_cache_headers, patch_vary_headers

Parameters = ParamSpec("Parameters")
View = Callable[Concatenate[HttpRequest, Parameters], HttpResponse]

# How long a kept page may miss what its edition does not tell, such as a waiting time. In seconds.
LIFE = 60
# Triggers move it with every commit that writes to the tables of which pages are made; see CatalogueEdition.
EDITION = "SELECT sum(number) FROM datasets_catalogueedition"


def edition() -> str:
    """A word that is another one after every change of the catalogue."""
    with connection.cursor() as cursor:
        cursor.execute(EDITION)
        return str(cursor.fetchone()[0])


def is_personal(request: HttpRequest) -> bool:
    """Whether the answer may be one person's: who is signed in, or is told something. Queries are not kept either,
    for there is no end to them."""
    personal = {settings.SESSION_COOKIE_NAME, "messages"}
    return not personal.isdisjoint(request.COOKIES) or bool(request.META.get("QUERY_STRING"))


def made_anew(view: View[Parameters]) -> View[Parameters]:
    """For pages that are too many to keep."""

    def answer(request: HttpRequest, /, *args: Parameters.args, **kwargs: Parameters.kwargs) -> HttpResponse:
        response = view(request, *args, **kwargs)
        if request.COOKIES:
            # It may hold a person's link, or pictures that are not for everybody.
            add_never_cache_headers(response)
        return response

    return update_wrapper(answer, view)


def kept_for_visitors(view: View[Parameters]) -> View[Parameters]:
    anew = made_anew(view)

    def answer(request: HttpRequest, /, *args: Parameters.args, **kwargs: Parameters.kwargs) -> HttpResponse:
        if is_personal(request):
            return anew(request, *args, **kwargs)
        pages = caches["pages"]
        key = hashlib.sha256(f"{edition()} {request.path}".encode()).hexdigest()
        content = pages.get(key)
        if content is None:
            response = view(request, *args, **kwargs)
            if response.status_code == 200:
                pages.set(key, response.content, LIFE)
            return response
        response = HttpResponse(content)
        patch_vary_headers(response, ["Cookie"])
        return response

    return update_wrapper(answer, view)
