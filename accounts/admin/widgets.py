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


def numbers_of_rows(values: Sequence[Any]) -> list[Any]:
    return [each for each in values if str(each).isdecimal() and len(str(each)) <= DIGITS]


class NumbersOnly(AutocompleteMixin):
    """Django looks the chosen rows up before it knows that the values are numbers."""

    def optgroups(self, name: str, value: Sequence[str], attr: dict[str, Any] | None = None) -> Any:
        return super().optgroups(name, numbers_of_rows(value), attr)


class ChooseOne(NumbersOnly, AutocompleteSelect):
    pass


class ChooseSome(NumbersOnly, AutocompleteSelectMultiple):
    pass
