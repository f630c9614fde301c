"""What everything is measured against: a Django view that does nothing, without middleware and database."""

from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.http import HttpRequest, HttpResponse
from django.urls import path


def nothing(request: HttpRequest) -> HttpResponse:
    return HttpResponse()


urlpatterns = [path("", nothing), path("healthz", nothing)]
settings.configure(
    ALLOWED_HOSTS=["*"], MIDDLEWARE=[], ROOT_URLCONF=__name__, SECRET_KEY="nothing is signed", LOGGING_CONFIG=None
)
application = get_wsgi_application()
