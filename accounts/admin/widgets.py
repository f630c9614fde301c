"""Menus that complete what is typed, and that no odd address or forged form can break."""

from collections.abc import Sequence
from typing import Any

from django import forms
from django.contrib.admin.widgets import AutocompleteMixin, AutocompleteSelect, AutocompleteSelectMultiple


class DateTimeInput(forms.DateTimeInput):
    input_type = "datetime-local"

    def __init__(self, attrs: dict[str, Any] | None = None) -> None:
        super().__init__(attrs, format="%Y-%m-%dT%H:%M")


# Longer numbers are no row's.
DIGITS = 18


class NumbersOnly(AutocompleteMixin):
    """Django looks the chosen rows up before it knows that the values are numbers."""

    def optgroups(self, name: str, value: Sequence[str], attr: dict[str, Any] | None = None) -> Any:
        numbers = [each for each in value if str(each).isdecimal() and len(str(each)) <= DIGITS]
        return super().optgroups(name, numbers, attr)


class ChooseOne(NumbersOnly, AutocompleteSelect):
    pass


class ChooseSome(NumbersOnly, AutocompleteSelectMultiple):
    pass
