"""Addresses of the catalogue, access and links."""

from django.urls import URLPattern

urlpatterns: list[URLPattern] = []
