"""What the domain of an address says. Kept short on purpose: the providers of most private addresses."""

FREE_MAIL = frozenset(
    (
        *("gmail.com", "googlemail.com", "outlook.com", "hotmail.com", "live.com", "msn.com", "icloud.com", "me.com"),
        *("mac.com", "yahoo.com", "yahoo.co.uk", "yahoo.co.in", "yahoo.co.jp", "yahoo.fr", "yahoo.de", "ymail.com"),
        *("aol.com", "proton.me", "protonmail.com", "pm.me", "tutanota.com", "tuta.com", "fastmail.com", "zoho.com"),
        *("gmx.de", "gmx.net", "gmx.com", "gmx.at", "gmx.ch", "web.de", "t-online.de", "freenet.de", "mail.com"),
        *("hotmail.co.uk", "hotmail.fr", "outlook.fr", "orange.fr", "wanadoo.fr", "free.fr", "laposte.net"),
        *("libero.it", "bluewin.ch", "mail.ru", "yandex.ru", "yandex.com", "seznam.cz", "wp.pl", "o2.pl"),
        *("qq.com", "163.com", "126.com", "foxmail.com", "sina.com", "sohu.com", "naver.com", "daum.net"),
        *("hanmail.net", "rediffmail.com", "uol.com.br", "bol.com.br"),
    )
)


def domain_of(address: str) -> str:
    return address.rpartition("@")[2].lower()


def is_free_mail(domain: str) -> bool:
    """Whether anybody gets an address there, so that it says nothing about where somebody works."""
    return domain in FREE_MAIL
