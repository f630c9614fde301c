"""Before a notice goes out: how many it reaches and who they are, the mail as it will look, and a test to oneself."""

from collections.abc import Sequence
from typing import Any, cast

from csp.decorators import csp_replace
from django import forms
from django.contrib import messages
from django.contrib.admin.options import csrf_protect_m
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect, StreamingHttpResponse
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.decorators import method_decorator
from django.utils.html import format_html
from django.utils.safestring import SafeString

from accounts.admin.decisions import told_before
from accounts.admin.exporting import csv_of
from accounts.admin.pages import HouseAdmin
from accounts.models import User
from accounts.services.exports import export_people
from accounts.tasks import hint, send_mails
from datasets.admin.counting import counted
from datasets.mail.notices import preview
from datasets.models import Erratum, Notice, Release
from datasets.services.notices import out_of_reach, people_told, send_test

KINDS = {
    Notice.Kind.RELEASE: "datasets.change_release",
    Notice.Kind.WITHDRAWAL: "datasets.change_release",
    Notice.Kind.REINSTATEMENT: "datasets.change_release",
    Notice.Kind.ERRATUM: "datasets.change_erratum",
}
WHOM = {
    Notice.Kind.RELEASE: "Who holds access to the dataset, has not unsubscribed from announcements, and gets our mail",
    Notice.Kind.WITHDRAWAL: "Who was issued a download of one of its archives, whatever became of their access",
    Notice.Kind.REINSTATEMENT: "Who was issued a download of one of its archives, whatever became of their access",
    Notice.Kind.ERRATUM: "Who was issued a download of an archive that it names, whatever became of their access",
}
# Where the decision is made that sends it.
DECISIONS = {
    Notice.Kind.RELEASE: ("release", "publish"),
    Notice.Kind.WITHDRAWAL: ("release", "withdraw"),
    Notice.Kind.REINSTATEMENT: ("release", "undo-withdrawal"),
    Notice.Kind.ERRATUM: ("erratum", "publish"),
}
# Shown until something is written.
REASON = "Here stands the reason that you write."
# Mails carry their style themselves. They run nothing and load nothing.
MAILS_OWN = {"default-src": ["'none'"], "style-src": ["'unsafe-inline'"], "script-src": ["'none'"], "sandbox": [""]}


class ReasonOfTrial(forms.Form):
    text = forms.CharField(
        label="Reason",
        max_length=500,
        required=False,
        widget=forms.Textarea(attrs={"rows": 3, "class": "input"}),
        help_text="As you mean to write it. It is not kept for the decision: copy it there.",
    )


class TryingAdmin(HouseAdmin):
    """Pages about notices that are not written yet."""

    def get_urls(self) -> list[URLPattern]:
        below = "try/<str:kind>/<int:pk>/"
        pages = (("", self.try_notice), ("mail/", self.show_mail), ("people/", self.export_told))
        return [
            *(
                path(f"{below}{end}", self.admin_site.admin_view(view), name=f"datasets_notice_{view.__name__}")
                for end, view in pages
            ),
            *super().get_urls(),
        ]

    @csrf_protect_m
    def try_notice(self, request: HttpRequest, kind: str, pk: int) -> HttpResponse:
        notice, user = notice_to_try(request, kind, pk), cast(User, request.user)
        if request.method == "POST":
            send_test(notice, to=user)
            hint(send_mails)
            self.message_user(request, f"A test is on its way to {user.email}.", messages.SUCCESS)
            return HttpResponseRedirect(request.get_full_path())
        people = people_told(notice).count()
        letter = preview(notice, to=user)
        model, decision = DECISIONS[Notice.Kind(notice.kind)]
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": f"Before it is sent: {notice.get_kind_display()}, {notice.release}",
            "whom": WHOM[Notice.Kind(notice.kind)],
            "people": counted(people),
            "letter": letter,
            "form": ReasonOfTrial({"text": notice.text}) if notice.kind in Notice.ABOUT_STANDING else None,
            "notice": notice,
            "pk": pk,
            "decision": reverse(f"admin:datasets_{model}_decide", args=[pk, decision]),
            "may_export": people and user.has_perm("accounts.view_user"),
        }
        return TemplateResponse(request, "admin/try_notice.html", context)

    @method_decorator(csp_replace(MAILS_OWN))
    def show_mail(self, request: HttpRequest, kind: str, pk: int) -> HttpResponse:
        """The HTML part by itself, as a mail program would show it."""
        notice = notice_to_try(request, kind, pk)
        response = HttpResponse(preview(notice, to=cast(User, request.user)).html)
        response.headers["Cache-Control"] = "no-store"
        return response

    @csrf_protect_m
    def export_told(self, request: HttpRequest, kind: str, pk: int) -> StreamingHttpResponse | HttpResponse:
        """Who would be mailed, as CSV. The log keeps who took it."""
        notice = notice_to_try(request, kind, pk)
        if not request.user.has_perm("accounts.view_user"):
            raise PermissionDenied
        if request.method != "POST":
            return HttpResponseRedirect(reverse("admin:datasets_notice_try_notice", args=[kind, pk]))
        people = people_told(notice)
        return csv_of(
            User,
            export_people(people),
            request=request,
            name=f"{notice.kind}-{pk}",
            what=counted(people.count()),
            why=f"Exported: who would be told of {notice.get_kind_display()}, {notice.release}.",
        )


def notice_to_try(request: HttpRequest, kind: str, pk: int) -> Notice:
    """A notice that is not written, about the release or the erratum of this number."""
    if kind not in KINDS:
        raise Http404
    known = Notice.Kind(kind)
    if not request.user.has_perm(KINDS[known]):
        raise PermissionDenied
    if known == Notice.Kind.ERRATUM:
        erratum = get_object_or_404(Erratum.objects.select_related("release__dataset"), pk=pk)
        return Notice(kind=known, release=erratum.release, erratum=erratum)
    release = get_object_or_404(Release.objects.select_related("dataset"), pk=pk)
    written = request.GET.get("text", "").replace("\0", "")[:500] if known in Notice.ABOUT_STANDING else ""
    expected = (release.reason or REASON) if known == Notice.Kind.WITHDRAWAL else ""
    return Notice(kind=known, release=release, text=written or expected)


# On the pages that ask ----------------------------------------------------------------------------------


@told_before(Release, "publish")
def who_hears_of_release(release: Any) -> Sequence[tuple[str, object]]:
    return _told(Notice(kind=Notice.Kind.RELEASE, release=release), release.pk)


@told_before(Release, "withdraw")
def who_hears_of_withdrawal(release: Any) -> Sequence[tuple[str, object]]:
    return _told(Notice(kind=Notice.Kind.WITHDRAWAL, release=release), release.pk)


@told_before(Release, "undo-withdrawal")
def who_hears_of_reinstatement(release: Any) -> Sequence[tuple[str, object]]:
    return _told(Notice(kind=Notice.Kind.REINSTATEMENT, release=release), release.pk)


@told_before(Erratum, "publish")
def who_hears_of_erratum(erratum: Any) -> Sequence[tuple[str, object]]:
    return _told(Notice(kind=Notice.Kind.ERRATUM, release=erratum.release, erratum=erratum), erratum.pk)


def _told(notice: Notice, pk: int) -> list[tuple[str, object]]:
    lost = out_of_reach(notice).count()
    people = people_told(notice).count() - lost
    told: list[tuple[str, object]] = [("Will be mailed", f"{counted(people)}, at once" if people else "nobody")]
    if lost:
        says = f"{counted(lost)} whose mail comes back; the notice will name them"
        told.append(("Must be told in another way", says))
    return [*told, ("The mail", _link_to_trial(notice, pk))]


def _link_to_trial(notice: Notice, pk: int) -> SafeString:
    address = reverse("admin:datasets_notice_try_notice", args=[notice.kind, pk])
    return format_html('<a href="{}">Read it first, and send it to yourself</a>', address)
