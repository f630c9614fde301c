"""What the pages of one person have in common: who asks, for which dataset, and where they go next."""

from django.http import Http404, HttpRequest
from django.shortcuts import get_object_or_404
from django.urls import reverse

from accounts.models import User
from datasets.models import AccessGrant, AccessRequest, Dataset


class PersonalRequest(HttpRequest):
    """A request of somebody signed in."""

    user: User


def shown_dataset(request: HttpRequest, slug: str) -> Dataset:
    """A listed dataset, or one that the person holds or asked for before it was taken off the list."""
    dataset = get_object_or_404(Dataset.objects.select_related("agreement"), slug=slug)
    if not dataset.is_listed:
        mine = {"user": request.user.pk, "dataset": dataset}
        if not any(rows.objects.filter(**mine).exists() for rows in (AccessGrant, AccessRequest)):
            raise Http404
    return dataset


def agreement_address(dataset: Dataset) -> str:
    return reverse("agreement", args=[dataset.slug]) + "#sign"


def downloads_address(dataset: Dataset) -> str:
    return f"{reverse('downloads')}#{dataset.slug}"
