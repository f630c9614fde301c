"""Why there is no bundle."""


class BundleRefused(Exception):
    """Something that must not be deployed, or is missing; every problem is a sentence."""

    def __init__(self, *problems: str) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems
