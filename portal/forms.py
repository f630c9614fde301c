"""How forms are drawn."""

from django.forms.renderers import TemplatesSetting


class HouseRenderer(TemplatesSetting):
    """Finds the house's form templates under templates/django/forms/."""
