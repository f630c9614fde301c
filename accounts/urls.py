"""Addresses below /accounts/."""

from django.urls import include, path
from django.views.generic import RedirectView

from accounts import providers, reach, views

urlpatterns = [
    path("", RedirectView.as_view(pattern_name="profile")),
    path("profile/", views.profile, name="profile"),
    path("profile/sign-out-everywhere/", views.sign_out_everywhere, name="sign_out_everywhere"),
    path("profile/announcements/", views.announcements, name="announcements"),
    path("profile/digest/", views.digest, name="digest"),
    path("profile/address/", reach.check_address_page, name="check_address"),
    path("profile/delete/", views.delete_account, name="delete_account"),
    path("deleted/", views.account_deleted, name="account_deleted"),
    path("my-data.json", views.my_data, name="my_data"),
    path("receipts/<int:pk>.pdf", views.receipt, name="receipt"),
    path("sign-in-again/", views.sign_in_again, name="sign_in_again"),
    path("agreements/<slug:slug>/", views.agreement_versions, name="agreement_versions"),
    path("agreements/<slug:slug>/<int:number>.txt", views.signed_text, name="signed_text"),
    # These stand before allauth's of the same name.
    path("confirm-email/", views.confirm_address, name="account_email_verification_sent"),
    path("password/reset/confirm/", views.confirm_reset, name="account_confirm_password_reset_code"),
    path("orcid/login/callback/", providers.orcid_callback, name="orcid_callback"),
    path("github/login/callback/", providers.github_callback, name="github_callback"),
    path("google/login/callback/", providers.google_callback, name="google_callback"),
    path("", include("allauth.urls")),
]
