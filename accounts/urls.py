"""Addresses below /accounts/."""

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
