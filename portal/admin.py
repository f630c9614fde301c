"""The admin's own site: who comes in and how, and what waits for a person."""

from functools import partial
from typing import Any

from django.conf import settings
from django.contrib import admin
from django.contrib.admin.views.autocomplete import AutocompleteJsonView
from django.contrib.auth.views import LogoutView, redirect_to_login
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import resolve_url
from django.urls import path, reverse
from django.utils.module_loading import import_string

# Packages bring pages of their own, some of which show secrets: only those of the house are registered.
HOUSE = ("accounts", "datasets", "portal")
# By their names: they need the pages that are registered here, so they can only be looked up after them.
WORK_PAGE, DASHBOARD = "portal.work.work_page", "portal.dashboard"
DASHBOARD_SEEN_BY = "datasets.view_downloadcount"
# What is worked with most comes first.
ORDER = ("datasets", "accounts", "auth", "admin")


class NamedInMenus(AutocompleteJsonView):
    """Rows as their page names them in menus, where what they are called elsewhere does not tell them apart."""

    def serialize_result(self, obj: Any, to_field_name: str) -> dict[str, str]:
        told = super().serialize_result(obj, to_field_name)
        name = getattr(self.model_admin, "named_in_menus", None)
        return {**told, "text": name(obj)} if name else told


class PortalAdminSite(admin.AdminSite):
    """Django's admin, for maintainers."""

    site_title = "administration"
    index_title = "Site administration"
    index_template = "admin/house_index.html"
    enable_nav_sidebar = True

    def each_context(self, request: HttpRequest) -> dict[str, Any]:
        named = {"site_title": f"{settings.SITE_NAME} administration", "site_header": settings.SITE_NAME}
        return {**super().each_context(request), **named, "has_dashboard": request.user.has_perm(DASHBOARD_SEEN_BY)}

    def register(
        self, model_or_iterable: Any, admin_class: type[admin.ModelAdmin] | None = None, **options: Any
    ) -> None:
        if admin_class is not None and admin_class.__module__.partition(".")[0] in HOUSE:
            super().register(model_or_iterable, admin_class, **options)

    def get_app_list(self, request: HttpRequest, app_label: str | None = None) -> list[Any]:
        apps = super().get_app_list(request, app_label)
        return sorted(apps, key=lambda app: ORDER.index(app["app_label"]))

    def get_urls(self) -> list[Any]:
        def page(name: str) -> Any:
            return self.admin_view(partial(import_string(name), self))

        return [
            path("dashboard/", page(f"{DASHBOARD}.dashboard_page"), name="dashboard"),
            path("dashboard/<slug:name>.csv", page(f"{DASHBOARD}.dashboard_file"), name="dashboard_file"),
            path("work/", page(WORK_PAGE), name="work"),
            *super().get_urls(),
        ]

    def autocomplete_view(self, request: HttpRequest) -> Any:
        return NamedInMenus.as_view(admin_site=self)(request)

    def login(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """There is one way to sign in, with its limits and its second factor."""
        if request.user.is_authenticated and not self.has_permission(request):
            raise PermissionDenied("The admin is for maintainers.")
        wanted = request.GET.get("next", "")
        return redirect_to_login(wanted if wanted.startswith(reverse("admin:index")) else reverse("admin:index"))

    def logout(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> Any:
        return LogoutView.as_view(next_page=resolve_url("home"))(request)

    def password_change(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> Any:
        return HttpResponseRedirect(reverse("account_change_password"))
