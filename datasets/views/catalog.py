"""The public catalogue."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render


def dataset_list(request: HttpRequest) -> HttpResponse:
    return render(request, "base.html")


def dataset_page(request: HttpRequest, slug: str) -> HttpResponse:
    return render(request, "base.html")


def release_page(request: HttpRequest, slug: str, version: str) -> HttpResponse:
    return render(request, "base.html")


def archive_page(request: HttpRequest, slug: str, version: str, name: str) -> HttpResponse:
    return render(request, "base.html")
