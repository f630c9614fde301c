"""How forms are drawn: label, hint, error, field, in this order, all above the field."""

from django.forms.renderers import TemplatesSetting


class HouseRenderer(TemplatesSetting):
    """Draws `{{ form }}` with templates/django/forms/. The admin draws its own and is not touched by it."""

    form_template_name = "django/forms/form.html"
