"""Somebody with a browser that runs no scripts, at the address of a running site."""

import re
from collections.abc import Mapping
from html import unescape
from http.cookiejar import CookieJar
from typing import NamedTuple
from urllib.error import HTTPError
from urllib.parse import urlencode
from urllib.request import HTTPCookieProcessor, Request, build_opener

from tests.answers import CONFIRM, SIGNUP, answers
from tests.demo import Demo

# The address of a person's link, as mails and pages show it.
LINK = re.compile(r"https?://\S+/get/[A-Za-z0-9_-]{33}/")


class Page(NamedTuple):
    status: int
    address: str
    html: str

    @property
    def text(self) -> str:
        return " ".join(unescape(re.sub(r"<[^>]*>", " ", self.html)).split())

    def hidden(self) -> dict[str, str]:
        """The values that the page's forms carry unseen."""
        inputs = re.findall(r'<input type="hidden"[^>]*>', self.html)
        return {
            name[1]: unescape(value[1])
            for tag in inputs
            if (name := re.search(r'name="([^"]*)"', tag)) and (value := re.search(r'value="([^"]*)"', tag))
        }


class Visitor:
    def __init__(self, demo: Demo, email: str) -> None:
        self.demo = demo
        self.email = email
        self.cookies = CookieJar()
        self.opener = build_opener(HTTPCookieProcessor(self.cookies))

    def get(self, path: str) -> Page:
        return self._ask(Request(self._whole(path)))

    def post(self, path: str, fields: Mapping[str, str | list[str]]) -> Page:
        token = next(cookie.value for cookie in self.cookies if cookie.name == "csrftoken")
        body = urlencode({**fields, "csrfmiddlewaretoken": token}, doseq=True).encode()
        return self._ask(Request(self._whole(path), data=body))

    def register(self) -> Page:
        """Sign up, and confirm the address with the code that comes by mail."""
        self.get(SIGNUP)
        self.post(SIGNUP, answers(self.email))
        mail = self.demo.wait_for_mail(self.email)
        code = re.search(r"^    (\d{6})\s*$", mail.text, re.MULTILINE)
        assert code, mail.text
        return self.post(CONFIRM, {"code": code[1]})

    def sign(self, slug: str) -> Page:
        """Read the agreement, tick every sentence, type the name, send."""
        path = f"/datasets/{slug}/agreement/"
        page = self.get(path)
        ticks = re.findall(r'name="statements" value="(\d+)"', page.html)
        assert ticks, page.text
        return self.post(path, {**page.hidden(), "statements": ticks, "typed_name": "Quiet Reader"})

    def _whole(self, path: str) -> str:
        return path if path.startswith("http") else self.demo.url + path

    def _ask(self, request: Request) -> Page:
        try:
            with self.opener.open(request, timeout=30) as answer:
                return Page(answer.status, answer.url, answer.read().decode())
        except HTTPError as refusal:
            with refusal:
                return Page(refusal.code, request.full_url, refusal.read().decode())
