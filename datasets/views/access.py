"""My downloads, and what people do there. Every POST ends in a redirect."""

from collections import Counter

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_safe

from accounts.acts import act_from
from accounts.tasks import hint, send_mails
from datasets.exceptions import MoveNotAllowed, ProfileIncomplete, SignatureNeeded
from datasets.models import AccessGrant, AccessRequest, DownloadLink
from datasets.permissions import day_long
from datasets.services import access
from datasets.services.access.overview import Section, issue_missing_links, overview_of
from datasets.services.access.standings import State
from datasets.services.downloads import replace_link as replace
from datasets.templatetags.house import spelled
from datasets.views.contents import Catalogue
from datasets.views.personal import PersonalRequest, agreement_address, downloads_address, shown_dataset

KINDS = {
    State.ACTIVE: "open",
    State.ENDING: "open",
    State.NEW_VERSION: "open when its agreement is signed",
    State.PENDING: "waiting for review",
    State.ENDED: "ended",
    State.REVOKED: "revoked",
    State.DECLINED: "declined",
}


@login_required
@never_cache
@require_safe
def downloads(request: PersonalRequest) -> HttpResponse:
    issue_missing_links(request.user)
    sections = overview_of(request.user)
    context = {"sections": sections, "summary": summary_of(sections), "catalogue": None if sections else Catalogue()}
    return render(request, "datasets/downloads.html", context)


def summary_of(sections: list[Section]) -> str:
    """One dataset open, two ended."""
    counts = Counter(kind_of(section) for section in sections)
    parts = [f"{spelled(count)} {kind}" for kind, count in counts.items()]
    if not parts:
        return ""
    first, _blank, rest = parts[0].partition(" ")
    parts[0] = f"{first.capitalize()} dataset{'' if first == 'one' else 's'} {rest}"
    return f"{', '.join(parts)}."


def kind_of(section: Section) -> str:
    kind = KINDS.get(section.standing.state, "withdrawn")
    return "without a release to download" if kind == "open" and not section.plates else kind


@act_from(lambda slug: reverse("dataset", args=[slug]))
def ask(request: PersonalRequest, slug: str) -> HttpResponseBase:
    dataset = shown_dataset(request, slug)
    try:
        outcome = access.ask_for_access(user=request.user, dataset=dataset)
    except (SignatureNeeded, ProfileIncomplete) as error:
        messages.warning(request, str(error))
        return redirect(agreement_address(dataset))
    except MoveNotAllowed as error:
        messages.warning(request, str(error))
        return redirect(downloads_address(dataset))
    hint(send_mails)
    if outcome.grant is not None:
        until = day_long(outcome.grant.ends_at)
        messages.success(request, f"Your access to {dataset.name} is open until {until}.")
    else:
        messages.success(request, f"Your request for {dataset.name} waits for a person.")
    return redirect(downloads_address(dataset))


@act_from(lambda pk: reverse("downloads"))
def withdraw_request(request: PersonalRequest, pk: int) -> HttpResponseBase:
    asked = get_object_or_404(AccessRequest.objects.select_related("dataset"), pk=pk, user=request.user)
    try:
        access.withdraw_request(asked, by=request.user)
    except MoveNotAllowed as error:
        messages.warning(request, str(error))
    else:
        messages.success(request, f"Your request for {asked.dataset.name} is withdrawn.")
    return redirect(downloads_address(asked.dataset))


@act_from(lambda pk: reverse("downloads"))
def renew(request: PersonalRequest, pk: int) -> HttpResponseBase:
    grant = get_object_or_404(AccessGrant.objects.select_related("dataset"), pk=pk, user=request.user)
    try:
        renewed = access.renew_grant(grant, by=request.user)
    except SignatureNeeded as error:
        messages.warning(request, str(error))
        return redirect(agreement_address(grant.dataset))
    except MoveNotAllowed as error:
        messages.warning(request, str(error))
    else:
        until = day_long(renewed.ends_at)
        messages.success(
            request, f"Your access to {grant.dataset.name} lasts until {until}. Your commands stay as they are."
        )
    return redirect(downloads_address(grant.dataset))


@login_required
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def replace_link(request: PersonalRequest, pk: int) -> HttpResponseBase:
    """Asked first, on a page of its own: commands that run on other machines stop."""
    link = own_link(request, pk)
    if request.method != "POST":
        return render(request, "datasets/replace_link.html", {"link": link, "dataset": link.release.dataset})
    try:
        replace(link, by=request.user)
    except MoveNotAllowed as error:
        messages.warning(request, str(error))
    else:
        messages.success(
            request,
            f"The link to {link.release} is replaced. The old one is refused from now on; the new commands are below.",
        )
    return redirect(downloads_address(link.release.dataset))


@act_from(lambda pk: reverse("downloads"))
def mail_link(request: PersonalRequest, pk: int) -> HttpResponseBase:
    link = own_link(request, pk)
    try:
        mailed = access.mail_link(link, by=request.user)
    except MoveNotAllowed as error:
        messages.warning(request, str(error))
    else:
        hint(send_mails)
        said = "The commands are on their way to" if mailed else "The commands were mailed a few minutes ago to"
        messages.success(request, f"{said} {request.user.email}.")
    return redirect(downloads_address(link.release.dataset))


def own_link(request: PersonalRequest, pk: int) -> DownloadLink:
    links = DownloadLink.objects.select_related("release__dataset", "grant")
    return get_object_or_404(links, pk=pk, grant__user=request.user)
