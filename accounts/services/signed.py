"""What a person has signed, and what each signature is worth today."""

from collections import defaultdict
from dataclasses import dataclass

from accounts.models import AgreementVersion, Signature, User
from accounts.services.agreements import Signing, compare

TEXTS = ("text", "summary", "changes")


@dataclass(frozen=True)
class Signed:
    signature: Signature
    signing: Signing
    """Where the person stands with this agreement."""

    @property
    def is_newest(self) -> bool:
        """Whether it is the newest that the person signed under the agreement."""
        return self.signing.signature is not None and self.signing.signature.pk == self.signature.pk

    @property
    def is_current(self) -> bool:
        """Whether it is for the version that is signed today."""
        return self.signing.current is not None and self.signing.current.pk == self.signature.version_id

    @property
    def standing(self) -> str:
        """In a word or two, for lists."""
        if self.is_current:
            return "current"
        if not self.is_newest:
            return "you signed a later one"
        if self.signing.to_sign is None:
            return "suffices"
        return "another is required" if self.signing.is_due else "another is to be signed"


def signed_by(user: User, *, at_most: int | None = None) -> list[Signed]:
    """The newest first, in two queries, without the texts."""
    rows = Signature.objects.filter(user=user).select_related("version__agreement").with_receipts().latest_first()
    signatures = list(rows.defer(*(f"version__{name}" for name in TEXTS))[:at_most])
    agreements = {signature.version.agreement_id for signature in signatures}
    versions: dict[int, list[AgreementVersion]] = defaultdict(list)
    published = AgreementVersion.objects.published().filter(agreement__in=agreements).latest_first()
    for version in published.defer(*TEXTS):
        versions[version.agreement_id].append(version)
    newest: dict[int, Signature] = {}
    for signature in sorted(signatures, key=lambda row: row.version.number):
        newest[signature.version.agreement_id] = signature
    signings = {agreement: compare(versions[agreement], newest[agreement]) for agreement in agreements}
    return [Signed(signature, signings[signature.version.agreement_id]) for signature in signatures]
