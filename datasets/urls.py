"""Addresses of the catalogue, access and links."""

from django.urls import URLPattern, path, register_converter

from datasets.views import access, agreements, catalog, downloads, previews


class VersionConverter:
    """A release's version, such as 2.0. Anything else is no address of the catalogue."""

    regex = r"[0-9][0-9.]{0,19}"

    def to_python(self, value: str) -> str:
        return value

    def to_url(self, value: str) -> str:
        return value


class NameConverter(VersionConverter):
    """A file name: letters, digits, dots, hyphens and underscores."""

    regex = r"[A-Za-z0-9][A-Za-z0-9._-]{0,149}"


class MemberConverter:
    """The path of a member, as it stands in its archive: any text. It names a row, never a file.

    Browsers resolve the parts "." and "..", and proxies join slashes: such a part, an empty one, and one that begins
    with a tilde itself, has a tilde before it."""

    regex = r"(?s:.{1,1000})"

    def to_python(self, value: str) -> str:
        path = "/".join(part[1:] if part.startswith("~") else part for part in value.split("/"))
        # Each path has one address; and the database has no word for a zero byte.
        if self.to_url(path) != value or "\0" in path:
            raise ValueError(value)
        return path

    def to_url(self, value: str) -> str:
        return "/".join(
            f"~{part}" if part in ("", ".", "..") or part.startswith("~") else part for part in value.split("/")
        )


class FolderConverter(VersionConverter):
    """A folder of pictures, named after their bytes."""

    regex = r"[0-9a-f]{20,40}"


class PictureConverter(VersionConverter):
    """A picture's file name."""

    regex = r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}\.(?:webp|png)"


register_converter(VersionConverter, "version")
register_converter(FolderConverter, "folder")
register_converter(PictureConverter, "picture")
register_converter(NameConverter, "name")
register_converter(MemberConverter, "member")

urlpatterns: list[URLPattern] = [
    path("datasets/", catalog.dataset_list, name="datasets"),
    path("datasets/<slug:slug>/", catalog.dataset_page, name="dataset"),
    path("datasets/<slug:slug>/<version:version>/", catalog.release_page, name="release"),
    path("datasets/<slug:slug>/<version:version>/<name:name>/", catalog.archive_page, name="archive"),
    path(
        "datasets/<slug:slug>/<version:version>/<name:archive_name>/<member:member_path>/",
        previews.volume_page,
        name="volume",
    ),
    path("datasets/<slug:slug>/agreement/", agreements.agreement_page, name="agreement"),
    path("datasets/<slug:slug>/agreement/<int:number>.txt", agreements.agreement_text, name="agreement_text"),
    path("datasets/<slug:slug>/ask/", access.ask, name="ask"),
    path("previews/<int:volume>/<folder:folder>/<picture:name>", previews.preview_image, name="preview_image"),
    path("downloads/", access.downloads, name="downloads"),
    path("downloads/requests/<int:pk>/withdraw/", access.withdraw_request, name="withdraw_request"),
    path("downloads/<int:pk>/renew/", access.renew, name="renew"),
    path("downloads/links/<int:pk>/replace/", access.replace_link, name="replace_link"),
    path("downloads/links/<int:pk>/mail/", access.mail_link, name="mail_link"),
    # For reverse(): datasets.middleware answers them, and whatever else begins with /get/.
    path("get/<str:token>/", downloads.below_link, name="get_listing"),
    path("get/<str:token>/<str:name>", downloads.below_link, name="get_file"),
]
