"""Looks at what ebextensions/ has, as it stands in the working tree: python -m portal.deployment.check

The .config files of the bundle, and the templates of what outlives it (ebextensions/infra/): cfn-lint, options,
policies without wildcards. `make lint` calls this; `make bundle` looks at the first, and at the rest of the bundle.
"""

import sys
from collections.abc import Iterator
from pathlib import Path

import yaml

from portal.deployment.configs import problems_of_configs
from portal.deployment.reading import read_yaml
from portal.deployment.resources import lint_template, wildcard_actions

ROOT = Path(__file__).resolve().parent.parent.parent


def problems_of_template(text: str) -> Iterator[str]:
    try:
        found = read_yaml(text)
    except yaml.YAMLError as error:
        yield " ".join(str(error).split())
        return
    yield from wildcard_actions(found)
    yield from lint_template(text)


def problems(folder: Path) -> Iterator[str]:
    configs = sorted(folder.glob("*.config"))
    yield from problems_of_configs({path.name: path.read_text() for path in configs})
    for template in sorted(folder.glob("infra/*.yaml")):
        yield from (f"infra/{template.name}: {problem}" for problem in problems_of_template(template.read_text()))


def main() -> int:
    found = list(problems(ROOT / "ebextensions"))
    print(*found, sep="\n", end="\n" if found else "", file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
