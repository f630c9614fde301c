"""What a maintainer decides about rows: a page that says whom it concerns and asks for the reason, then one service
call a row. A row that cannot be moved any more is named, and the rest goes on."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, cast

import pghistory
from celery import Task
from django import forms
from django.contrib import messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.admin.options import csrf_protect_m
from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse

from accounts.admin.pages import HouseAdmin
from accounts.exceptions import MoveNotAllowed
from accounts.models import User
from accounts.tasks import hint, send_mails

# Each row is a transaction with locks and mails; more at once would keep a browser waiting too long.
AT_ONCE = 200


class ConfirmForm(forms.Form):
    """Nothing to write: the page itself is the question."""


class ReasonForm(forms.Form):
    reason = forms.CharField(
        max_length=500,
        widget=forms.Textarea(attrs={"rows": 4, "class": "input"}),
        help_text="The person reads it in a mail and on the site, as you write it. Say what happened and what they can "
        "do: one or two sentences, on one line.",
        error_messages={"required": "Write the reason; the person is told."},
    )


@dataclass(frozen=True)
class Decision:
    """One thing that may be decided about rows of a page."""

    name: str
    title: str
    """On the button and above the page: "Decline"."""
    consequence: str
    """What will happen, in a sentence or two."""
    service: Callable[..., object]
    """Called with the row, `by` and what the form asks for."""
    done: str
    """Said for each row: "{row} was declined." """
    permission: str
    is_open: Callable[[Any], bool] = lambda row: True
    """Whether the button is offered for this row; the service decides."""
    form: type[forms.Form] = ConfirmForm
    refusals: tuple[type[Exception], ...] = (MoveNotAllowed,)
    many: bool = True
    """Whether it is offered for several rows of the list."""
    is_grave: bool = False
    then: Task = send_mails
    """Hinted at once it is done."""


Facts = Callable[[Any], Sequence[tuple[str, object]]]
_facts: dict[tuple[type[Model], str], tuple[list[Facts], list[Facts]]] = {}


def told_before(model: type[Model], decision: str, *, at_the_end: bool = False) -> Callable[[Facts], Facts]:
    """Register what the page that asks says of a row, which a package further up may do too. What is long stands at
    the end."""

    def register(make: Facts) -> Facts:
        known = _facts.setdefault((model, decision), ([], []))
        known[at_the_end].append(make)
        return make

    return register


class DecidingAdmin(HouseAdmin):
    """A page whose rows are decided about, from the list and from a row's own page."""

    decisions: Sequence[Decision] = ()

    # What stands above the columns of the rows that are decided about, where they need a name.
    decided_headings: Sequence[str] = ()

    def describe(self, row: Any) -> Sequence[str]:
        """What the page shows of a row that is decided about."""
        return [str(row)]

    def describe_all(self, rows: Sequence[Any]) -> list[Sequence[object]]:
        """The same of all of them, for a page that looks something up for them together."""
        return [self.describe(row) for row in rows]

    def back_from(self, row: Any) -> str:
        """Where to go when it is decided, or left as it is."""
        return reverse(f"admin:{self.opts.app_label}_{self.opts.model_name}_change", args=[row.pk])

    def lock_order(self, row: Any) -> tuple[int, ...]:
        """In one order for everybody, so that two maintainers with the same rows wait rather than deadlock."""
        return (row.pk,)

    def get_actions(self, request: HttpRequest) -> dict[str, Any]:
        actions: dict[str, Any] = super().get_actions(request)
        if "_popup" in request.GET:
            return actions
        for decision in self.decisions:
            if decision.many and request.user.has_perm(decision.permission):
                actions[decision.name] = (_as_action(decision), decision.name, f"{decision.title} …")
        return actions

    def get_urls(self) -> list[URLPattern]:
        name = f"{self.opts.app_label}_{self.opts.model_name}_decide"
        view = self.admin_site.admin_view(self.decide_one)
        return [path("<path:object_id>/decide/<str:name>/", view, name=name), *super().get_urls()]

    @csrf_protect_m
    def decide_one(self, request: HttpRequest, object_id: str, name: str) -> HttpResponse:
        decision = next((known for known in self.decisions if known.name == name), None)
        row = self.get_object(request, unquote(object_id))
        if decision is None or row is None:
            self.message_user(request, "There is nothing here to decide about.", messages.WARNING)
            return HttpResponseRedirect(reverse("admin:index"))
        back = self.back_from(row)
        return self.decide(request, [row], decision, back=back) or HttpResponseRedirect(back)

    def decide(self, request: HttpRequest, rows: list[Any], decision: Decision, back: str) -> HttpResponse | None:
        """The page that asks; None when the answer has been carried out."""
        if not request.user.has_perm(decision.permission):
            raise PermissionDenied
        form = decision.form(request.POST if "decided" in request.POST else None)
        if form.is_bound and form.is_valid():
            self._carry_out(request, rows, decision, form.cleaned_data)
            return None
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": f"{decision.title}: {self._told(rows)}",
            "decision": decision,
            "form": form,
            "facts": self._facts_of(rows[0], decision),
            "rows": list(zip([row.pk for row in rows], map(self._named, self.describe_all(rows)), strict=True)),
            "headings": self.decided_headings,
            "back": back,
            "checkbox": ACTION_CHECKBOX_NAME,
        }
        return TemplateResponse(request, "admin/decision.html", context)

    def _named(self, facts: Sequence[object]) -> list[tuple[str, object]]:
        """Each with the name of its column, for screens on which columns stand one below the other."""
        return list(zip(self.decided_headings or [""] * len(facts), facts, strict=True))

    def _facts_of(self, row: Any, decision: Decision) -> list[tuple[str, object]]:
        first, last = _facts.get((self.model, decision.name), ([], []))
        return [fact for make in [*first, *last] for fact in make(row)]

    def _told(self, rows: list[Any]) -> str:
        if len(rows) == 1:
            return str(self.opts.verbose_name)
        return f"{len(rows)} {self.opts.verbose_name_plural}"

    def _carry_out(self, request: HttpRequest, rows: list[Any], decision: Decision, words: dict[str, Any]) -> None:
        by = cast(User, request.user)
        for row in sorted(rows, key=self.lock_order):
            try:
                with transaction.atomic(), pghistory.context(user=by.pk):
                    decision.service(row, by=by, **words)
            except decision.refusals as refusal:
                self.message_user(request, f"{row}: {refusal}", messages.WARNING)
                continue
            said = decision.done.format(row=row)
            self.log_change(request, row, said)
            self.message_user(request, said, messages.SUCCESS)
        hint(decision.then)

    def render_change_form(
        self,
        request: HttpRequest,
        context: dict[str, Any],
        add: bool = False,
        change: bool = False,
        form_url: str = "",
        obj: Any = None,
    ) -> HttpResponse:
        if obj is not None:
            context["decisions"] = [
                known for known in self.decisions if request.user.has_perm(known.permission) and known.is_open(obj)
            ]
        return super().render_change_form(request, context, add, change, form_url, obj)


def _as_action(decision: Decision) -> Callable[[DecidingAdmin, HttpRequest, QuerySet], HttpResponse | None]:
    def decide(page: DecidingAdmin, request: HttpRequest, queryset: QuerySet) -> HttpResponse | None:
        rows = list(queryset.order_by("pk")[: AT_ONCE + 1])
        if len(rows) > AT_ONCE:
            page.message_user(request, f"Choose at most {AT_ONCE} rows at once.", messages.ERROR)
            return None
        if not rows:
            page.message_user(request, "Nothing was chosen that is still there.", messages.WARNING)
            return None
        return page.decide(request, rows, decision, back=request.get_full_path())

    return decide
