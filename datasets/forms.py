"""The form that signs an agreement."""

from typing import Any

from django import forms

from accounts.exceptions import NameUnusable
from accounts.models import AgreementVersion
from accounts.services.agreements import NAME_LENGTH, clean_name
from accounts.text import reads_alike


class SignForm(forms.Form):
    """Statements to tick and a name to type, for exactly one version of an agreement."""

    statements = forms.MultipleChoiceField(
        label="I confirm that",
        widget=forms.CheckboxSelectMultiple,
        error_messages={"required": "Tick every statement", "invalid_choice": "Tick every statement"},
    )
    typed_name = forms.CharField(
        label="Your full name, as your signature",
        widget=forms.TextInput(attrs={"class": "sign", "autocomplete": "name", "maxlength": NAME_LENGTH}),
        error_messages={"required": "Type your full name"},
    )
    version = forms.IntegerField(widget=forms.HiddenInput)
    sha256 = forms.CharField(widget=forms.HiddenInput)

    def __init__(self, data: Any = None, *, version: AgreementVersion, profile_name: str) -> None:
        initial = {"version": version.pk, "sha256": version.sha256}
        super().__init__(data, initial=initial, auto_id="sign-%s", label_suffix="")
        self.profile_name = profile_name
        self.sentences: list[str] = version.statements
        self._choices().choices = [(str(place), sentence) for place, sentence in enumerate(self.sentences)]
        if profile_name:
            self.fields["typed_name"].help_text = f"As in your profile: {profile_name}"

    def _choices(self) -> forms.MultipleChoiceField:
        field = self.fields["statements"]
        assert isinstance(field, forms.MultipleChoiceField)  # noqa: S101 - for the type checker
        return field

    def clean_statements(self) -> list[str]:
        ticked = [self.sentences[int(place)] for place in self.cleaned_data["statements"]]
        if len(set(self.cleaned_data["statements"])) < len(self.sentences):
            raise forms.ValidationError("Tick every statement")
        return ticked

    def clean_typed_name(self) -> str:
        try:
            name = clean_name(self.cleaned_data["typed_name"])
        except NameUnusable as error:
            raise forms.ValidationError(str(error)) from None
        # Without a name in the profile, the service asks for the profile first.
        if self.profile_name and not reads_alike(name, self.profile_name):
            raise forms.ValidationError(
                f"Type your name as it stands in your profile: “{self.profile_name}”. "
                "If that is wrong, change the profile first."
            )
        return name


def is_for(data: Any, version: AgreementVersion) -> bool:
    """Whether what was sent is about this version and the text that is shown now."""
    return data.get("version") == str(version.pk) and data.get("sha256") == version.sha256
