"""What a person tells about themselves, at registration and later."""

from typing import Any

from django import forms
from django.http import HttpRequest
from django_countries import countries

from accounts.forms.fields import LineField, ParagraphField
from accounts.models import User
from accounts.services.registration import complete_profile

SHORTEST_PURPOSE = 100
LONGEST_PURPOSE = 2_000


def country_choices() -> list[tuple[str, str]]:
    return [("", "Choose…"), *((code, str(name)) for code, name in countries)]


class ProfileForm(forms.Form):
    name = LineField(
        label="Full name",
        help_text="As you would sign a letter. You sign the agreement with it.",
        longest=150,
        missing="Write your full name",
        widget=forms.TextInput(attrs={"autocomplete": "name"}),
    )
    institution = LineField(
        longest=200,
        missing="Write the name of your institution",
        widget=forms.TextInput(attrs={"autocomplete": "organization"}),
    )
    country = forms.ChoiceField(
        label="Country of the institution",
        choices=country_choices,
        widget=forms.Select(attrs={"autocomplete": "country", "class": "short"}),
        error_messages={"required": "Choose a country", "invalid_choice": "Choose a country from the list"},
    )
    position = forms.ChoiceField(
        choices=User.Position.choices,
        widget=forms.RadioSelect,
        error_messages={"required": "Choose a position", "invalid_choice": "Choose one of these positions"},
    )
    research_purpose = ParagraphField(
        label="What do you want to find out?",
        help_text=f"Two or three sentences: {SHORTEST_PURPOSE} to {LONGEST_PURPOSE:,} characters."
        " The maintainers of this site read them; nobody else does.",
        shortest=SHORTEST_PURPOSE,
        longest=LONGEST_PURPOSE,
        missing=f"Write at least {SHORTEST_PURPOSE} characters",
        widget=forms.Textarea(attrs={"rows": "6"}),
    )

    def answers(self) -> dict[str, str]:
        return {field: self.cleaned_data[field] for field in ProfileForm.base_fields}


class SignupProfileForm(ProfileForm):
    """The part of registration that is the same with a password and with a provider."""

    field_order = ("email", *ProfileForm.base_fields, "password1")

    def signup(self, request: HttpRequest, user: User) -> None:
        complete_profile(user, **self.answers())


def profile_of(user: User) -> dict[str, Any]:
    """A person's profile as the form's initial values."""
    return {field: str(getattr(user, field)) for field in ProfileForm.base_fields}
