"""Text as people type it, made safe to store, to show and to put into a mail."""

import unicodedata

# Of Unicode's format characters, the two joiners: names in several scripts are written with them.
JOINERS = "\u200c\u200d"
UNSEEN = ("Cc", "Cf", "Co", "Cs", "Cn", "Zl", "Zp")


def one_line(text: str) -> str:
    """Composed characters (NFC) and one blank between words."""
    return unicodedata.normalize("NFC", " ".join(text.split()))


def reads_alike(one: str, other: str) -> bool:
    """Whether two names are the same to a reader: letter case, width and blanks aside."""
    return _compared(one) == _compared(other)


def _compared(text: str) -> str:
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", " ".join(text.split())).casefold())


def paragraphs(text: str) -> str:
    """Composed characters, line breaks as Python writes them, nothing before or after."""
    return unicodedata.normalize("NFC", text.replace("\r\n", "\n").replace("\r", "\n")).strip()


def has_unseen(text: str, *, besides: str = "") -> bool:
    """Whether there are characters that nobody sees: controls, direction marks, what no alphabet has."""
    return any(is_unseen(character) for character in text if character not in besides)


def only_seen(text: str) -> str:
    """The text with a blank for each character that nobody sees."""
    return "".join(" " if is_unseen(character) else character for character in text)


def is_unseen(character: str) -> bool:
    return unicodedata.category(character) in UNSEEN and character not in JOINERS


# In this order: every browser also names those that it wants to be taken for.
BROWSERS = {
    "Edg/": "Edge",
    "OPR/": "Opera",
    "SamsungBrowser/": "Samsung Internet",
    "Firefox/": "Firefox",
    "FxiOS/": "Firefox",
    "CriOS/": "Chrome",
    "Chrome/": "Chrome",
    "Safari/": "Safari",
    "curl/": "curl",
}
SYSTEMS = {
    "Android": "Android",
    "iPhone": "an iPhone",
    "iPad": "an iPad",
    "Windows": "Windows",
    "Mac OS X": "macOS",
    "CrOS": "ChromeOS",
    "Linux": "Linux",
}


def named_agent(header: str) -> str:
    """A browser in words of ours, for mails: the header itself is whatever its sender likes to write."""
    browser = next((name for sign, name in BROWSERS.items() if sign in header), "an unknown program")
    system = next((name for sign, name in SYSTEMS.items() if sign in header), "")
    return f"{browser} on {system}" if system else browser
