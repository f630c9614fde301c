"""The agreement: read by everybody, signed by who is signed in."""

from typing import cast

from django.contrib import messages
from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_safe

from accounts.address import client_address
from accounts.answers import text_answer
from accounts.exceptions import NameUnusable, StatementsMissing, VersionReplaced
from accounts.freshness import ask_again, is_fresh
from accounts.models import AgreementVersion
from accounts.services.agreements import current_version, reasons_since, rendered
from accounts.services.differences import difference_between
from accounts.tasks import hint, make_receipts, send_mails
from datasets.exceptions import MoveNotAllowed, ProfileIncomplete, SignatureNeeded
from datasets.forms import SignForm, is_for
from datasets.models import Dataset
from datasets.permissions import day_long
from datasets.services import access
from datasets.services.access.standings import AccessStanding
from datasets.views.personal import PersonalRequest, agreement_address, downloads_address, shown_dataset


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def agreement_page(request: HttpRequest, slug: str) -> HttpResponseBase:
    dataset = shown_dataset(request, slug)
    version = current_version(dataset.agreement)
    if version is None:
        return render(request, "datasets/agreement_missing.html", {"dataset": dataset})
    if request.method != "POST":
        return show_agreement(request, dataset, version, None)
    if not request.user.is_authenticated:
        return redirect_to_login(agreement_address(dataset))
    if not is_for(request.POST, version):
        return replaced(
            request, dataset, f"Version {version.number} of the agreement was published while you read. "
            "Nothing was recorded. Read it below, then sign it."
        )  # fmt: skip
    form = SignForm(request.POST, version=version, profile_name=request.user.name)
    if not form.is_valid():
        return show_agreement(request, dataset, version, form)
    if not is_fresh(request):
        return ask_again(request, back=reverse("agreement", args=[dataset.slug]))
    return sign(cast(PersonalRequest, request), dataset, version, form)


def sign(request: PersonalRequest, dataset: Dataset, version: AgreementVersion, form: SignForm) -> HttpResponseBase:
    try:
        outcome = access.sign_for_access(
            user=request.user,
            dataset=dataset,
            version=version,
            typed_name=form.cleaned_data["typed_name"],
            statements=form.cleaned_data["statements"],
            address=client_address(request),
            agent=request.headers.get("User-Agent", ""),
        )
    except (VersionReplaced, SignatureNeeded) as error:
        return replaced(request, dataset, str(error))
    except ProfileIncomplete as error:
        messages.warning(request, str(error))
        return redirect(agreement_address(dataset))
    except (NameUnusable, StatementsMissing, MoveNotAllowed) as error:
        form.add_error(None, str(error))
        return show_agreement(request, dataset, version, form)
    hint(make_receipts)
    hint(send_mails)
    messages.success(request, f"You signed version {version.number}. {told(dataset, outcome)}")
    return redirect(downloads_address(dataset))


def told(dataset: Dataset, outcome: access.Outcome) -> str:
    """What follows, in a sentence; the receipt is on its way."""
    if outcome.grant is not None:
        until = day_long(outcome.grant.ends_at)
        if outcome.opened:
            return f"Your access to {dataset.name} is open until {until}; the receipt and the link come by mail."
        return (
            f"Your access to {dataset.name} lasts until {until}, and your commands stay as they are; "
            "the receipt comes by mail."
        )
    return f"Your request for {dataset.name} waits for a person; the receipt comes by mail."


def replaced(request: HttpRequest, dataset: Dataset, sentence: str) -> HttpResponseBase:
    messages.warning(request, sentence)
    return redirect("agreement", dataset.slug)


def show_agreement(
    request: HttpRequest, dataset: Dataset, version: AgreementVersion, form: SignForm | None
) -> HttpResponseBase:
    standing = access.standing_of(request.user, dataset)
    missing = access.missing_profile(request.user) if request.user.is_authenticated else []
    if form is None and request.user.is_authenticated and needs_form(standing) and not missing:
        form = SignForm(version=version, profile_name=request.user.name)
    context = {
        **what_changed(standing, version),
        "dataset": dataset,
        "version": version,
        "text": rendered(version),
        "previous": dataset.agreement.versions.published().filter(number__lt=version.number).latest_first().first(),
        "standing": standing,
        "waiting": standing.waiting or access.waiting_times(dataset),
        "signature": standing.signing.signature if standing.signing else None,
        "form": form,
        "missing": missing,
        "here": agreement_address(dataset),
    }
    return render(request, "datasets/agreement.html", context)


def what_changed(standing: AccessStanding, version: AgreementVersion) -> dict[str, object]:
    """Between the text that was signed and the one that is shown, for who signed an earlier one."""
    signature = standing.signing.signature if standing.signing else None
    if signature is None or signature.version.number >= version.number:
        return {}
    # Standings come without texts, of which one is wanted here.
    signed = version.agreement.versions.get(pk=signature.version_id)
    return {
        "signed": signed,
        "difference": difference_between(signed, version),
        "reasons": reasons_since(signed, version),
    }


def needs_form(standing: AccessStanding) -> bool:
    return standing.signing is not None and (standing.signing.to_sign is not None or standing.signing.signature is None)


@require_safe
def agreement_text(request: HttpRequest, slug: str, number: int) -> HttpResponse:
    """The exact text, for everybody who may see the dataset."""
    dataset = shown_dataset(request, slug)
    return text_answer(get_object_or_404(dataset.agreement.versions.published(), number=number))
