"""The admin's own site."""

from django.contrib import admin


class PortalAdminSite(admin.AdminSite):
    """Django's admin, for maintainers."""
