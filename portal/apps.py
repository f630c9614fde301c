from django.apps import AppConfig
from django.contrib.admin import apps as admin_apps
from django.core.checks import Tags, register
from django.utils.module_loading import import_string


class PortalConfig(AppConfig):
    name = "portal"
    default = True

    def ready(self) -> None:
        # By name: it needs the models, which are not there yet when this file is read.
        register(import_string("portal.checks.check_role"), Tags.database)


class PortalAdminConfig(admin_apps.AdminConfig):
    """Django's admin with this site's own AdminSite."""

    default = False
    default_site = "portal.admin.PortalAdminSite"
