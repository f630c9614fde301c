"""The profile, my data, what was signed, and the two pages that ask for a code."""

from datetime import UTC, datetime, timedelta
from email.utils import parseaddr
from typing import Any

from allauth.account import app_settings
from allauth.account.internal.flows.email_verification_by_code import EMAIL_VERIFICATION_CODE_SESSION_KEY
from allauth.account.internal.flows.signup import complete_signup
from allauth.account.utils import get_next_redirect_url
from allauth.account.views import ConfirmEmailVerificationCodeView, ConfirmPasswordResetCodeView
from allauth.mfa.models import Authenticator
from allauth.socialaccount.adapter import get_adapter as get_provider_adapter
from allauth.socialaccount.models import SocialAccount
from django.conf import settings
from django.contrib import messages
from django.contrib.auth import logout, update_session_auth_hash
from django.contrib.auth.decorators import login_required
from django.db import IntegrityError, transaction
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.decorators import method_decorator
from django.utils.functional import cached_property
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_GET, require_http_methods, require_safe

from accounts.acts import act_from
from accounts.answers import pdf_answer, text_answer
from accounts.exceptions import MoveNotAllowed
from accounts.forms.deletion import DeleteAccountForm
from accounts.forms.kept import Kept, asked_resets, forget, keep, kept
from accounts.forms.profile import ProfileForm, profile_of
from accounts.freshness import ask_again, is_fresh
from accounts.mail import bounce_of
from accounts.models import AgreementVersion, Signature, User
from accounts.services.agreements import reasons_since
from accounts.services.announcements import person_of, resume_digest, stop_digest, subscribe, unsubscribe
from accounts.services.codes import CodePurpose, end_codes
from accounts.services.deletions import delete_own_account
from accounts.services.differences import difference_between
from accounts.services.receipts import stored_document
from accounts.services.registration import complete_profile, end_sessions, export_my_data, register
from accounts.services.signed import signed_by
from accounts.tasks import hint, send_mails


class Signed(HttpRequest):
    """A request of somebody who is signed in."""

    user: User


# Profile --------------------------------------------------------------------------------------------------


@login_required
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def profile(request: Signed) -> HttpResponse:
    user = request.user
    form = ProfileForm(request.POST or None, initial=profile_of(user))
    if form.is_valid():
        complete_profile(user, **form.answers())
        messages.success(request, "Your profile is saved.")
        return redirect(get_next_redirect_url(request) or "profile")
    context = {
        "next": get_next_redirect_url(request),
        "form": form,
        "factors": Authenticator.objects.filter(user=user).order_by("pk"),
        "providers": get_provider_adapter().list_providers(request),
        "connected": SocialAccount.objects.filter(user=user).order_by("pk"),
        "signed": signed_by(user),
        "bounce": bounce_of(user),
    }
    return render(request, "accounts/profile.html", context)


@login_required
@never_cache
@require_GET
def my_data(request: Signed) -> HttpResponse:
    response = JsonResponse(export_my_data(request.user), json_dumps_params={"indent": 2, "ensure_ascii": False})
    response["Content-Disposition"] = 'attachment; filename="my-data.json"'
    return response


@login_required
@never_cache
@require_GET
def receipt(request: Signed, pk: int) -> HttpResponse:
    """The document of one's own signature, as it was mailed."""
    document = stored_document(get_object_or_404(Signature, pk=pk, user=request.user))
    if document is None:
        messages.info(request, "This receipt is being made. It comes by mail, and then it is here, too.")
        return redirect("profile")
    return pdf_answer(document)


@login_required
@never_cache
@require_GET
def sign_in_again(request: Signed) -> HttpResponse:
    """For who has neither password nor second factor: the provider says once more who it is."""
    connected = set(SocialAccount.objects.filter(user=request.user).values_list("provider", flat=True))
    ways = [provider for provider in get_provider_adapter().list_providers(request) if provider.id in connected]
    context = {"ways": ways, "next": get_next_redirect_url(request) or reverse("profile")}
    return render(request, "accounts/sign_in_again.html", context)


@act_from(lambda: reverse("profile"))
def announcements(request: Signed) -> HttpResponse:
    if "again" in request.POST:
        subscribe(request.user)
        messages.success(request, "You get announcements again.")
    else:
        unsubscribe(request.user)
        messages.success(request, "You get no announcements any more. Errata and withdrawals still come.")
    return redirect("profile")


@act_from(lambda: reverse("profile"))
def digest(request: Signed) -> HttpResponse:
    """A maintainer's own choice; who gets it at all is decided by what they may do."""
    if "again" in request.POST:
        resume_digest(request.user)
        messages.success(request, "You get the daily mail about requests again.")
    else:
        stop_digest(request.user)
        messages.success(request, "You get no daily mail about requests any more.")
    return redirect("profile")


@csrf_exempt
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def unsubscribe_page(request: HttpRequest, token: str) -> HttpResponse:
    """Where the link of an announcement leads. To open it does nothing; its button, and a mail program's one click
    (RFC 8058), do it without a session, so the link itself is what says that they may."""
    user = person_of(token)
    if user is None:
        told = {"heading": "This link is not complete", "state": "unknown"}
        return render(request, "accounts/unsubscribe.html", told, status=404)
    if request.method == "POST":
        if "again" in request.POST:
            subscribe(user)
        else:
            unsubscribe(user)
        user.refresh_from_db(fields=["unsubscribed_at"])
    stopped = user.unsubscribed_at is not None
    heading = "Announcements are stopped" if stopped else "Stop announcements?"
    if request.method == "POST" and not stopped:
        heading = "Announcements come again"
    context = {"heading": heading, "state": "stopped" if stopped else "sent"}
    return render(request, "accounts/unsubscribe.html", context)


@act_from(lambda: reverse("profile"))
def sign_out_everywhere(request: Signed) -> HttpResponse:
    end_sessions(request.user)
    update_session_auth_hash(request, request.user)
    messages.success(request, "You are signed out everywhere but here.")
    return redirect("profile")


# Agreements -----------------------------------------------------------------------------------------------


def readable_versions(request: Signed, slug: str) -> QuerySet[AgreementVersion]:
    """The published versions of an agreement, for who signed one of them and for maintainers."""
    versions = AgreementVersion.objects.published().filter(agreement__slug=slug)
    signed = Signature.objects.filter(user=request.user, version__agreement__slug=slug)
    if not request.user.has_perm("accounts.view_agreementversion") and not signed.exists():
        raise Http404
    return versions.select_related("agreement").latest_first()


@login_required
@never_cache
@require_safe
def agreement_versions(request: Signed, slug: str) -> HttpResponse:
    """What differs between two published versions: ?from=1&to=3, else from the one that was signed to the newest."""
    versions = list(readable_versions(request, slug).defer("text", "summary", "changes"))
    if not versions:
        raise Http404
    signature = Signature.objects.filter(user=request.user, version__agreement__slug=slug).order_by("-version__number")
    signed = signature.values_list("version__number", flat=True).first()
    before = signed or (versions[1] if len(versions) > 1 else versions[0]).number
    asked = {request.GET.get("from") or str(before), request.GET.get("to") or str(versions[0].number)}
    pair = [version for version in reversed(versions) if str(version.number) in asked]
    if len(pair) != len(asked):
        raise Http404
    # Of two equal numbers one version is found; the texts are loaded for these alone.
    older, newer = (AgreementVersion.objects.select_related("agreement").get(pk=pair[at].pk) for at in (0, -1))
    context = {
        "agreement": newer.agreement,
        "versions": versions,
        "older": older,
        "newer": newer,
        "signed": signed,
        "difference": difference_between(older, newer),
        "reasons": reasons_since(older, newer),
    }
    return render(request, "accounts/agreement_versions.html", context)


@login_required
@never_cache
@require_safe
def signed_text(request: Signed, slug: str, number: int) -> HttpResponse:
    """The exact text, for who may read it here."""
    return text_answer(get_object_or_404(readable_versions(request, slug), number=number))


@login_required
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def delete_account(request: Signed) -> HttpResponse:
    """What would be removed and what would stay; then, with a fresh proof of who asks, it begins."""
    form = DeleteAccountForm(request.POST if request.method == "POST" else None)
    if form.is_valid():
        return _delete_account(request) if is_fresh(request) else ask_again(request, back=request.path)
    signatures = Signature.objects.filter(user=request.user).count()
    return render(request, "accounts/delete.html", {"form": form, "signatures": signatures})


def _delete_account(request: Signed) -> HttpResponse:
    try:
        delete_own_account(request.user)
    except MoveNotAllowed as refusal:
        messages.error(request, str(refusal))
        return redirect("profile")
    hint(send_mails)
    logout(request)
    return redirect("account_deleted")


@require_GET
def account_deleted(request: HttpRequest) -> HttpResponse:
    return render(request, "accounts/deleted.html")


# Codes ----------------------------------------------------------------------------------------------------


def tries_left(process: Any) -> int:
    return process.max_attempts - process.state["failed_attempts"]


def about_the_mail(process: Any) -> dict[str, Any]:
    """Until when its code works, and from whom it comes."""
    begun = datetime.fromtimestamp(process.state["at"], UTC)
    return {
        "runs_out": begun + timedelta(seconds=process.timeout),
        "sender": parseaddr(settings.DEFAULT_FROM_EMAIL)[1],
    }


@method_decorator(never_cache, name="dispatch")
class ConfirmAddressView(ConfirmEmailVerificationCodeView):
    """Asks for the code that was mailed to a new address.

    Where the address has an account already, allauth shows the same page for a registration that does not exist. Here
    its address can be corrected like any other: the answers wait in the session and make the account then."""

    @cached_property
    def _action(self) -> str:
        wanted = self.request.POST.get("action", "verify")
        may = {"change": self.can_change, "resend": self._process.can_resend}
        return wanted if may.get(wanted, False) else "verify"

    @property
    def can_change(self) -> bool:
        used_up = self._process.is_change_quota_reached(app_settings.EMAIL_VERIFICATION_MAX_CHANGE_COUNT)
        return self.is_registering and not used_up

    @property
    def is_registering(self) -> bool:
        return not self.request.user.is_authenticated and kept(self.request) is not None

    def get_form_kwargs(self) -> dict[str, Any]:
        kwargs = super().get_form_kwargs()
        if self._action == "verify":
            kwargs["tries"] = tries_left(self._process)
        elif self._action == "change":
            kwargs["email"] = self._process.email
        return kwargs

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        more = {"can_change": self.can_change, **about_the_mail(self._process)}
        return super().get_context_data(**kwargs) | more

    def _change_form_valid(self, form: Any) -> HttpResponse:
        email = form.cleaned_data["email"]
        try:
            with transaction.atomic():
                begun = kept(self.request)
                if begun and self._process.user is None and not form.account_already_exists:
                    return self._register(begun, email)
                return super()._change_form_valid(form)
        except IntegrityError:
            # Somebody registered with the address in this moment.
            self._process.change_to(email, account_already_exists=True)
        return HttpResponseRedirect(reverse("account_email_verification_sent"))

    def _change_form_invalid(self, form: Any) -> HttpResponse:
        return self.render_to_response(self.get_context_data(form=form))

    def _register(self, begun: Kept, email: str) -> HttpResponse:
        """The registration whose address had an account begins for good, with the right address."""
        changes = self._process.state["change_count"] + 1
        answers = {**begun["answers"], "email": email}
        user = register(**answers, password=begun["password"])
        keep(self.request, answers)
        response = complete_signup(self.request, user=user)
        self.request.session[EMAIL_VERIFICATION_CODE_SESSION_KEY]["change_count"] = changes
        return response

    def _verify_form_valid(self, form: Any) -> HttpResponse:
        try:
            with transaction.atomic():
                response = super()._verify_form_valid(form)
        except IntegrityError:
            form.add_error("code", "This address was confirmed for another account a moment ago.")
            return self.form_invalid(form)
        forget(self.request)
        return response

    def _verify_form_invalid(self, form: Any) -> HttpResponse:
        if tries_left(self._process) > 1:
            return super()._verify_form_invalid(form)
        process = self._process
        end_codes(CodePurpose.CONFIRM, asked=[process.code], to=process.email, user=process.user)
        process.record_invalid_attempt()
        if self.request.user.is_authenticated:
            messages.error(self.request, "That was wrong three times. Your address is as before; change it once more.")
            return redirect("account_email")
        messages.error(
            self.request, "That was wrong three times, so the codes we sent have ended. Register again for another one."
        )
        return redirect("account_signup")


confirm_address = ConfirmAddressView.as_view()


@method_decorator(never_cache, name="dispatch")
class ConfirmResetView(ConfirmPasswordResetCodeView):
    """Asks for the code that was mailed for a forgotten password."""

    def get_form_kwargs(self) -> dict[str, Any]:
        process = self._process
        more = {
            "asked": asked_resets(self.request),
            "user": process.user,
            "email": process.state["email"],
            "tries": tries_left(process),
        }
        return super().get_form_kwargs() | more

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        return super().get_context_data(**kwargs) | about_the_mail(self._process)

    def form_invalid(self, form: Any) -> HttpResponse:
        if tries_left(self._process) > 1:
            return super().form_invalid(form)
        process, asked = self._process, [*asked_resets(self.request), self._process.code]
        end_codes(CodePurpose.RESET, asked=asked, to=process.state["email"], user=process.user)
        process.record_invalid_attempt()
        messages.error(self.request, "That was wrong three times. Ask for another code.")
        return redirect("account_reset_password")


confirm_reset = ConfirmResetView.as_view()
