"""Addresses of the site."""

from django.contrib import admin
from django.urls import include, path

from accounts.events import mail_events
from accounts.views import unsubscribe_page
from portal import views

urlpatterns = [
    path("", views.home, name="home"),
    path("help/", views.help_page, name="help"),
    path("privacy/", views.privacy, name="privacy"),
    path("cite/", views.cite, name="cite"),
    path("admin/", admin.site.urls),
    # Short, for it stands in mails.
    path("unsubscribe/<str:token>/", unsubscribe_page, name="unsubscribe"),
    path("mail/events/", mail_events, name="mail_events"),
    path("accounts/", include("accounts.urls")),
    path("", include("datasets.urls")),
]

handler400 = "portal.views.bad_request"
handler500 = "portal.views.server_error"
