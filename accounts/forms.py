"""Forms of registration and profile."""

from django import forms
from django.http import HttpRequest

from accounts.models import User


class SignupProfileForm(forms.Form):
    name = forms.CharField(max_length=150)

    def signup(self, request: HttpRequest, user: User) -> None:
        user.name = self.cleaned_data["name"]
        user.save(update_fields=["name"])
