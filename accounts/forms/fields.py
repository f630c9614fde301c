"""Fields for what people type about themselves."""

from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.core.validators import BaseValidator

from accounts.text import has_unseen, one_line, paragraphs

UNSEEN_IN_LINE = "This has line breaks or characters that cannot be seen. Type it rather than pasting it."
UNSEEN_IN_TEXT = "This has characters that cannot be seen. Type it rather than pasting it."


class AtLeast(BaseValidator):
    def compare(self, found: int, wanted: int) -> bool:
        return found < wanted

    def clean(self, text: str) -> int:
        return len(text)


class AtMost(AtLeast):
    def compare(self, found: int, wanted: int) -> bool:
        return found > wanted


class WrittenField(forms.CharField):
    """Text of a stated length without unseen characters. The lengths are the house's sentences, not Django's."""

    def __init__(
        self, *, shortest: int = 0, longest: int, missing: str, unit: str = "characters", **options: Any
    ) -> None:
        super().__init__(strip=False, **options)
        self.error_messages["required"] = missing
        self.widget.attrs["maxlength"] = str(longest)
        if shortest:
            self.validators.append(
                AtLeast(shortest, f"Write at least {shortest:,} characters; you have %(show_value)s")
            )
        self.validators.append(AtMost(longest, f"Write at most {longest:,} characters; you have %(show_value)s"))


class LineField(WrittenField):
    """One line: a name, an institution. It may stand in a mail's header, so it never holds a line break."""

    def to_python(self, value: Any) -> str:
        line = str(super().to_python(value)).strip()
        if has_unseen(line):
            raise ValidationError(
                "This has line breaks or characters that cannot be seen. Type it rather than pasting it."
            )
        line = one_line(line)
        if line and not any(character.isalpha() for character in line):
            raise ValidationError(self.error_messages["required"], code="required")
        return line


class ParagraphField(WrittenField):
    """Several lines."""

    widget = forms.Textarea

    def to_python(self, value: Any) -> str:
        text = paragraphs(str(super().to_python(value)))
        if has_unseen(text, besides="\n\t"):
            raise ValidationError(UNSEEN_IN_TEXT)
        return text
