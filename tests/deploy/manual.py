"""docs/operating.md, as far as tests run or count what stands in it."""

import re

from tests.deploy.templates import ROOT

TEXT = (ROOT / "docs" / "operating.md").read_text()


def block(name: str) -> str:
    """The commands of the block that is marked with this name."""
    (found,) = re.findall(rf"^```sh {name}\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)
    return str(found)


def tables() -> list[list[list[str]]]:
    """Every table: its lines, its cells."""
    found = re.findall(r"(?:^ *\|.*\|\n)+", TEXT, re.MULTILINE)
    return [[[cell.strip() for cell in line.strip()[1:-1].split("|")] for line in each.splitlines()] for each in found]


def bills() -> list[list[list[str]]]:
    """The tables that add up dollars, without their heads."""
    return [table[2:] for table in tables() if table[0][-1] == "$ a month"]
