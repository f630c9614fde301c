"""The guard of addresses that do something: what is done is a POST, and whoever only looks is led to a page."""

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponseBase
from django.shortcuts import redirect
from django.views.decorators.http import require_http_methods

View = Callable[..., HttpResponseBase]


def act_from(button: Callable[..., str]) -> Callable[[View], View]:
    """A POST of somebody signed in. `button` gives the address of the page that has the button, from what the address
    of the act names: there comes who reloads or bookmarks the act, and who signs in only now."""

    def guard(view: View) -> View:
        @require_http_methods(["GET", "HEAD", "POST"])
        @wraps(view)
        def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
            if request.method != "POST":
                return redirect(button(*args, **kwargs))
            if not request.user.is_authenticated:
                return redirect_to_login(button(*args, **kwargs))
            return view(request, *args, **kwargs)

        return guarded

    return guard
