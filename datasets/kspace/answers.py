"""What a child process answered is built into reports again, and believed only when each value is what it must be."""

import math
import re
from dataclasses import fields, is_dataclass
from enum import StrEnum
from functools import lru_cache
from types import NoneType, UnionType
from typing import Any, cast, get_args, get_origin, get_type_hints

from datasets.kspace.frames import FrameError
from datasets.kspace.report import LONGEST_AXIS, Facts, PictureReport, Rendering, Report, Wish

LARGEST_NUMBER = 2**53
LONGEST_TEXT = 1000
WIDEST_PICTURE = 8192
NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,60}\.(png|webp)")
PNG = b"\x89PNG\r\n\x1a\n"


def facts(answer: Any) -> Facts:
    """FrameError: this is not what a reader answers."""
    built = cast(Facts, build(Facts, answer))
    _check_facts(built)
    return built


def rendering(answer: Any, contents: dict[str, bytes], wish: Wish) -> Rendering:
    """The same. Each picture of the report has its bytes, these begin as the wished format does, and no bytes are of
    no picture."""
    report = cast(Report, build(Report, answer))
    _check_facts(report.facts)
    names = [picture.name for picture in report.pictures]
    if len(set(names)) != len(names) or set(names) != set(contents):
        raise FrameError("the pictures are not those of the report")
    for picture in report.pictures:
        _check_picture(picture, contents[picture.name], wish.format)
    return Rendering(report, contents)


def _check_facts(facts: Facts) -> None:
    """Pages draw a line for each column."""
    if facts.phase is not None and not 0 < facts.phase <= LONGEST_AXIS:
        raise FrameError("k-space has more columns than there are, or less")


def _check_picture(picture: PictureReport, content: bytes, wished: str) -> None:
    name = NAME.fullmatch(picture.name)
    if name is None or name[1] != wished:
        raise FrameError("a picture has a name that pictures do not have")
    if not (0 < picture.width <= WIDEST_PICTURE and 0 < picture.height <= WIDEST_PICTURE):
        raise FrameError("a picture has a size that pictures do not have")
    webp = content[:4] == b"RIFF" and content[8:12] == b"WEBP"
    if not (webp if wished == "webp" else content.startswith(PNG)):
        raise FrameError("a picture is of another format than was wished")


def build(kind: Any, value: Any) -> Any:
    """A value of this annotation from its JSON; FrameError where they do not fit."""
    if isinstance(kind, type) and is_dataclass(kind):
        hints = _hints(kind)
        if not isinstance(value, dict) or value.keys() != hints.keys():
            raise FrameError(f"there is no {kind.__name__}")
        return cast(Any, kind)(**{name: build(hints[name], value[name]) for name in hints})
    if get_origin(kind) is UnionType:
        (inner,) = (each for each in get_args(kind) if each is not NoneType)
        return None if value is None else build(inner, value)
    if get_origin(kind) is tuple:
        return _build_tuple(get_args(kind), value)
    if issubclass(kind, StrEnum) and value in list(kind):
        return kind(value)
    if not _fits(kind, value):
        raise FrameError(f"a value is no {kind.__name__}")
    return kind(value)


def _build_tuple(kinds: tuple[Any, ...], value: Any) -> tuple[Any, ...]:
    if not isinstance(value, list):
        raise FrameError("a value is no list")
    if kinds[-1] is Ellipsis:
        kinds = kinds[:1] * len(value)
    if len(kinds) != len(value):
        raise FrameError("a list is of another length")
    return tuple(build(kind, each) for kind, each in zip(kinds, value, strict=True))


def _fits(kind: type, value: Any) -> bool:
    if kind is str:
        return type(value) is str and len(value) <= LONGEST_TEXT and value.isprintable()
    if kind is float:
        return type(value) in (int, float) and abs(value) <= LARGEST_NUMBER and math.isfinite(value)
    return kind is int and type(value) is int and abs(value) <= LARGEST_NUMBER


@lru_cache
def _hints(kind: type) -> dict[str, Any]:
    hints = get_type_hints(kind)
    return {field.name: hints[field.name] for field in fields(cast(Any, kind))}
