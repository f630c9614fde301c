"""What a person types to register, for those who speak to a site from outside, without Django."""

SIGNUP = "/accounts/signup/"
CONFIRM = "/accounts/confirm-email/"
LOGIN = "/accounts/login/"
PASSWORD = "correct horse battery staple"
ANSWERS = {
    "name": "Quiet Reader",
    "institution": "Accra Institute of Imaging",
    "country": "GH",
    "position": "doctoral",
    "research_purpose": "Where do reconstructions of undersampled knees fail, and can their own uncertainty tell? " * 2,
}


def answers(email: str = "quiet@example.org", **others: str) -> dict[str, str]:
    return {"email": email, **ANSWERS, "password1": PASSWORD, **others}
