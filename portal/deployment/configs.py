"""What is wrong with the .config files, all of which Elastic Beanstalk reads as one."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

import yaml

from portal.deployment.options import problems_of_settings
from portal.deployment.reading import read_yaml
from portal.deployment.resources import durable_resources, lint_resources, wildcard_actions

# Elastic Beanstalk has more (packages, files, services and so on), which this project does without.
SECTIONS = {"option_settings", "container_commands", "Resources"}
COMMAND_KEYS = {"command", "cwd", "env", "ignoreErrors", "leader_only", "test"}


def problems_of_configs(texts: Mapping[str, str]) -> Iterator[str]:
    """A sentence for every problem of these files, each by its name."""
    read: dict[str, Any] = {}
    for name, text in texts.items():
        try:
            read[name] = read_yaml(text)
        except yaml.YAMLError as error:
            yield f"{name}: {_one_line(error)}"
    sound = {name: found for name, found in read.items() if isinstance(found, dict)}
    yield from (f"{name} has no sections." for name in read.keys() - sound.keys())
    for name, found in sound.items():
        yield from (f"{name}: {problem}" for problem in _problems_of_one(found))
    for section in sorted(SECTIONS):
        yield from _twice(section, sound)
    resources = _together("Resources", sound)
    yield from (f".ebextensions: {problem}" for problem in lint_resources(resources))


def _one_line(error: yaml.YAMLError) -> str:
    mark, problem = getattr(error, "problem_mark", None), getattr(error, "problem", None) or str(error)
    return f"line {mark.line + 1}: {problem}." if mark else f"{problem}."


def _problems_of_one(found: dict[str, Any]) -> Iterator[str]:
    for section in found.keys() - SECTIONS:
        yield f"there is no section {section!r} that portal/deployment/configs.py knows."
    if "option_settings" in found:
        yield from problems_of_settings(found["option_settings"])
    yield from _problems_of_commands(found.get("container_commands", {}))
    resources = found.get("Resources", {})
    if not isinstance(resources, dict):
        yield "Resources must be names, each with what it is."
        return
    yield from durable_resources(resources)
    yield from wildcard_actions(resources)


def _problems_of_commands(commands: Any) -> Iterator[str]:
    if not isinstance(commands, dict):
        yield "container_commands must be names, each with its command."
        return
    for name, command in commands.items():
        if not re.fullmatch(r"\d\d_[a-z_]+", str(name)):
            yield f"the command {name!r} needs a number in front, for they run in the order of their names."
        if not isinstance(command, dict) or not isinstance(command.get("command"), str):
            yield f"the command {name!r} has nothing to run."
        elif command.keys() - COMMAND_KEYS:
            yield f"the command {name!r} has unknown keys: {', '.join(sorted(command.keys() - COMMAND_KEYS))}."
        elif str(command.get("ignoreErrors", False)).lower() != "false":
            yield f"the command {name!r} ignores errors: a deployment must stop at them."


def _twice(section: str, files: dict[str, Any]) -> Iterator[str]:
    """What two files say of one thing: which of them wins depends on their names."""
    seen: dict[str, str] = {}
    for name, found in files.items():
        for key in _names_in(section, found.get(section, {})):
            if key in seen:
                yield f"{name}: {key} is in {seen[key]} already."
            seen[key] = name


def _names_in(section: str, found: Any) -> Iterator[str]:
    if not isinstance(found, dict):
        return
    for key, value in found.items():
        if section == "option_settings" and isinstance(value, dict):
            yield from (f"{key} {option}" for option in value)
        else:
            yield str(key)


def _together(section: str, files: dict[str, Any]) -> dict[str, Any]:
    parts = [found.get(section) for found in files.values()]
    return {name: value for part in parts if isinstance(part, dict) for name, value in part.items()}
