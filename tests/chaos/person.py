"""One person's whole way, with a person's patience: what fails is tried again, and nothing is done twice."""

import hashlib
import http.client
import json
import random
import re
import time
from collections import Counter
from collections.abc import Callable, Mapping
from functools import partial
from http.cookiejar import CookieJar
from typing import TypeVar
from urllib.error import HTTPError
from urllib.parse import urlencode, urlsplit
from urllib.request import HTTPCookieProcessor, Request, build_opener

from tests.answers import CONFIRM, LOGIN, PASSWORD, SIGNUP, answers
from tests.chaos.names import ARCHIVE, SLUG
from tests.chaos.place import Place
from tests.visitor import LINK, Page

CODE = re.compile(r"^    (\d{6})\s*$", re.MULTILINE)
TICK = re.compile(r'name="statements" value="(\d+)"')
PROFILE = "/accounts/profile/"
AGREEMENT = f"/datasets/{SLUG}/agreement/"
REAUTHENTICATE = "/accounts/reauthenticate/"
# A mail whose worker was killed comes when its lease has run out; later than this somebody asks for another one.
CODE_SECONDS, LINK_SECONDS = 120, 600
BLOCK = 65_536
BROKEN = (OSError, http.client.HTTPException)
Done = TypeVar("Done")


class Trouble(Exception):
    """It did not work this time."""


class GaveUp(Exception):
    """It did not work for so long that a person would write to the maintainers."""


class Person:
    def __init__(self, place: Place, number: int, *, patience: float) -> None:
        self.place = place
        self.email = f"person{number}@example.org"
        self.patience, self.until = patience, float("inf")
        self.cookies = CookieJar()
        self.opener = build_opener(HTTPCookieProcessor(self.cookies))
        address = f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}"
        self.opener.addheaders = [("User-Agent", "Mozilla/5.0 (chaos)"), ("X-Forwarded-For", address)]
        # What the site has answered for, and must therefore know.
        self.did: list[str] = []
        self.tried: set[str] = set()
        self.has_typed_a_code = False
        self.troubles: Counter[str] = Counter()

    def begin(self) -> None:
        self.until = time.monotonic() + self.patience

    @property
    def has_begun(self) -> bool:
        return self.until < float("inf")

    def go_the_whole_way(self) -> None:
        self.patiently(self.become_known)
        self.did.append("registered")
        self.patiently(self.sign)
        self.did.append("signed")
        link = self.patiently(self.find_link)
        self.did.append("linked")
        self.patiently(lambda: self.download(link))
        self.did.append("downloaded")

    def patiently(self, step: Callable[[], Done]) -> Done:
        """Do a step, from its beginning again when something is away, until patience ends."""
        while True:
            try:
                return step()
            except (Trouble, *BROKEN) as trouble:
                self.troubles[str(trouble) or type(trouble).__name__] += 1
                if time.monotonic() > self.until:
                    raise GaveUp(f"{self.email} after {self.did}: {trouble!r}") from trouble
                time.sleep(random.uniform(0.5, 2))  # noqa: S311 - a person's pause

    # Registering --------------------------------------------------------------------------------------------

    def become_known(self) -> None:
        """Be signed in with a confirmed address, wherever the last try has left it."""
        if not self.has_typed_a_code or not self.is_signed_in():
            self.get(SIGNUP)
            page = self.post(SIGNUP, answers(self.email))
            if CONFIRM not in page.address:
                raise Trouble(f"the registration led to {urlsplit(page.address).path} ({page.status})")
            self.confirm()
            if not self.profile_opens():
                raise Trouble("not signed in")

    def is_signed_in(self) -> bool:
        if self.profile_opens():
            return True
        # The sign-in page, to which the profile has led.
        # Refused unless the address is confirmed: then an answer was lost on its way.
        self.post(LOGIN, {"login": self.email, "password": PASSWORD})
        return self.profile_opens()

    def profile_opens(self) -> bool:
        return urlsplit(self.get(PROFILE).address).path == PROFILE

    def confirm(self) -> None:
        """With the newest code that was not tried yet; the one of a registration whose page got lost may come first."""
        end = time.monotonic() + CODE_SECONDS
        while time.monotonic() < end:
            fresh = [code for code in self.codes() if code not in self.tried]
            if not fresh:
                time.sleep(0.5)
                continue
            self.has_typed_a_code = True
            page = self.post(CONFIRM, {"code": fresh[-1]})
            self.tried.add(fresh[-1])
            if CONFIRM not in page.address:
                return
        raise Trouble("no code was right")

    def codes(self) -> list[str]:
        texts = (mail.text for mail in self.place.postbox.mails(self.email, "code"))
        return [found[1] for text in texts if (found := CODE.search(text))]

    # Signing ------------------------------------------------------------------------------------------------

    def sign(self) -> None:
        page = self.opened(AGREEMENT)
        ticks = TICK.findall(page.html)
        if not ticks:
            if "Signed as" in page.text:
                return
            self.become_known()
            raise Trouble(f"no form to sign ({page.status})")
        fields: dict[str, str | list[str]] = {**page.hidden(), "statements": ticks, "typed_name": "Quiet Reader"}
        signed = self.post(AGREEMENT, fields)
        if signed.status != 200 or "/downloads/" not in signed.address:
            raise Trouble(f"signing led to {urlsplit(signed.address).path} ({signed.status})")

    def opened(self, path: str) -> Page:
        """A page that may ask for the password first."""
        page = self.get(path)
        if REAUTHENTICATE in page.address:
            page = self.post(page.address, {**page.hidden(), "password": PASSWORD})
        return page

    # Downloading --------------------------------------------------------------------------------------------

    def find_link(self) -> str:
        end = time.monotonic() + LINK_SECONDS
        while time.monotonic() < end:
            for mail in self.place.postbox.mails(self.email, "link"):
                if found := LINK.search(mail.text):
                    return found[0]
            time.sleep(0.5)
        raise GaveUp(f"{self.email}: no link mail within {LINK_SECONDS} s of signing")

    def download(self, link: str) -> None:
        """Fetch the archive, each try from where the last one broke off, and compare its hash with the manifest's."""
        files = {file["name"]: file for file in json.loads(self.get(f"{link}manifest.json").html)["files"]}
        wanted, content = files[ARCHIVE], b""
        while len(content) < wanted["size"]:
            content += self.patiently(partial(self.rest_of, f"{link}{ARCHIVE}", len(content)))
        if hashlib.sha256(content).hexdigest() != wanted["sha256"]:
            raise GaveUp(f"{self.email}: the archive's bytes are not those of the manifest")

    def rest_of(self, address: str, start: int) -> bytes:
        """What came of the rest before the connection broke; Trouble when nothing did."""
        request = Request(address, headers={"Range": f"bytes={start}-"})
        content = b""
        try:
            with self.opener.open(request, timeout=30) as answer:
                while block := answer.read(BLOCK):
                    content += block
        except BROKEN as error:
            if not content:
                raise Trouble(repr(error)) from error
        return content

    # Asking -------------------------------------------------------------------------------------------------

    def get(self, path: str) -> Page:
        return self._ask(Request(self._whole(path)))

    def post(self, path: str, fields: Mapping[str, str | list[str]]) -> Page:
        token = next((cookie.value for cookie in self.cookies if cookie.name == "csrftoken"), None)
        if token is None:
            raise Trouble("the page with the form did not come")
        body = urlencode({**fields, "csrfmiddlewaretoken": token}, doseq=True).encode()
        return self._ask(Request(self._whole(path), data=body))

    def _whole(self, path: str) -> str:
        return path if path.startswith("http") else self.place.url + path

    def _ask(self, request: Request) -> Page:
        try:
            with self.opener.open(request, timeout=60) as answer:
                return Page(answer.status, answer.url, answer.read().decode())
        except HTTPError as refusal:
            with refusal:
                page = Page(refusal.code, refusal.url, refusal.read().decode(errors="replace"))
        if page.status == 500:
            # A part that is away is a 503; a 500 is a mistake, whatever was killed.
            self.place.mistakes.append(f"{request.get_method()} {request.full_url.removeprefix(self.place.url)}: 500")
        if page.status >= 500:
            raise Trouble(str(page.status))
        return page
