"""Addresses below /accounts/, and those of the admin that belong to accounts."""

from django.urls import include, path
from django.views.generic import RedirectView

from accounts import views

urlpatterns = [
    path("", RedirectView.as_view(pattern_name="profile")),
    path("profile/", views.profile, name="profile"),
    path("profile/sign-out-everywhere/", views.sign_out_everywhere, name="sign_out_everywhere"),
    path("my-data.json", views.my_data, name="my_data"),
    # These two stand before allauth's of the same name.
    path("confirm-email/", views.confirm_address, name="account_email_verification_sent"),
    path("password/reset/confirm/", views.confirm_reset, name="account_confirm_password_reset_code"),
    path("", include("allauth.urls")),
]
# Before the admin's own, so that nobody signs in or changes a password past the second factor and the rate limits.
admin_urlpatterns = [
    path("login/", RedirectView.as_view(pattern_name="account_login", query_string=True)),
    path("logout/", views.sign_out_of_admin),
    path("password_change/", RedirectView.as_view(pattern_name="account_change_password")),
]
