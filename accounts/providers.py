"""Coming back from ORCID, GitHub and Google."""

from typing import Any

from allauth.socialaccount.models import SocialApp, SocialLogin, SocialToken
from allauth.socialaccount.providers.base import ProviderException
from allauth.socialaccount.providers.github.views import GitHubOAuth2Adapter
from allauth.socialaccount.providers.google.views import GoogleOAuth2Adapter
from allauth.socialaccount.providers.oauth2.views import OAuth2CallbackView
from allauth.socialaccount.providers.orcid.views import OrcidOAuth2Adapter
from django.http import HttpRequest

# What reading an answer of another shape than the provider documents raises.
MALFORMED = (LookupError, ValueError, TypeError, AttributeError)


class Careful:
    """An answer that cannot be read is a sign-in that failed, with a page that leads on, and no fault of ours."""

    def complete_login(self, request: HttpRequest, app: SocialApp, token: SocialToken, **kwargs: Any) -> SocialLogin:
        try:
            return super().complete_login(request, app, token, **kwargs)  # type: ignore[misc]
        except MALFORMED as error:
            raise ProviderException(f"{type(error).__name__} in the answer") from error


class CarefulOrcid(Careful, OrcidOAuth2Adapter):
    """ORCID."""


class CarefulGitHub(Careful, GitHubOAuth2Adapter):
    """GitHub."""


class CarefulGoogle(Careful, GoogleOAuth2Adapter):
    """Google."""


orcid_callback = OAuth2CallbackView.adapter_view(CarefulOrcid)
github_callback = OAuth2CallbackView.adapter_view(CarefulGitHub)
google_callback = OAuth2CallbackView.adapter_view(CarefulGoogle)
