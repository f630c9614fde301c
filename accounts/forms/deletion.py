"""The form that deletes one's own account."""

from django import forms


class DeleteAccountForm(forms.Form):
    """One box: the page above it says what follows."""

    sure = forms.BooleanField(
        label="I have read this, and want my account to be deleted for good",
        error_messages={"required": "Tick the box if you want your account to be deleted"},
    )
