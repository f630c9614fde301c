"""The templates of ebextensions/infra, read as CloudFormation reads them."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from cfnlint.decode.cfn_yaml import load

ROOT = Path(__file__).resolve().parent.parent.parent
FOLDER = ROOT / "ebextensions" / "infra"
NAMES = ("data", "site")
TEMPLATES: dict[str, Any] = {name: load(str(FOLDER / f"{name}.yaml")) for name in NAMES}
SIZES = {name: json.loads((FOLDER / f"{name}.json").read_text())["Parameters"] for name in ("small", "grown")}


def parameters() -> dict[str, Any]:
    """Of both templates, which are given the same file."""
    return {name: told for template in TEMPLATES.values() for name, told in template["Parameters"].items()}


def resources(kind: str = "") -> Iterator[tuple[str, Any]]:
    for template in TEMPLATES.values():
        for name, resource in template["Resources"].items():
            if not kind or resource["Type"] == kind:
                yield name, resource


def outputs() -> dict[str, Any]:
    return {name: told for template in TEMPLATES.values() for name, told in template["Outputs"].items()}


def statements(found: Any) -> Iterator[dict[str, Any]]:
    """Each statement of a policy, wherever it stands."""
    if isinstance(found, list):
        for part in found:
            yield from statements(part)
    elif isinstance(found, dict):
        if "Effect" in found:
            yield found
        for part in found.values():
            yield from statements(part)


def listed(found: Any) -> list[Any]:
    return list(found) if isinstance(found, list) else [found]


class Given:
    """What a template makes of parameters: its conditions, and what Fn::If chooses."""

    def __init__(self, template: Mapping[str, Any], **values: str) -> None:
        self.conditions = template["Conditions"]
        self.values = {name: told.get("Default") for name, told in template["Parameters"].items()} | values

    def holds(self, condition: Any) -> bool:
        if isinstance(condition, str):
            return self.holds(self.conditions[condition])
        ((verb, parts),) = condition.items()
        if verb == "Condition":
            return self.holds(parts)
        if verb == "Fn::Equals":
            left, right = (self.values[part["Ref"]] if isinstance(part, dict) else part for part in parts)
            return left == right
        answers = [self.holds(part) for part in parts]
        return {"Fn::Not": not answers[0], "Fn::And": all(answers), "Fn::Or": any(answers)}[verb]

    def chosen(self, found: Any) -> Any:
        while isinstance(found, dict) and "Fn::If" in found:
            condition, then, otherwise = found["Fn::If"]
            found = then if self.holds(condition) else otherwise
        return found["Fn::Sub"] if isinstance(found, dict) else found
