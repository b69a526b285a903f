"""The TOML of a preset: its tables and keys, and errors that name the file and the key."""

from __future__ import annotations

import re
from typing import Annotated, Any

import msgspec

from robust_vos_bench.errors import DataError

AtLeastOne = Annotated[int, msgspec.Meta(ge=1)]


class Head(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The table [preset]; what it chooses holds for every entry that does not choose for itself."""

    name: str
    version: int
    description: str
    source: str = ""
    clean_reference: bool | None = None
    temporal: str | None = None
    profile: str = "constant"
    severities: tuple[int, ...] | None = None
    videos: AtLeastOne | None = None


class Row(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One table [[corruption]]."""

    name: str
    severities: tuple[int, ...] | None = None
    temporal: str | None = None
    profile: str | None = None
    clean_reference: bool | None = None
    note: str = ""
    source: str = ""
    settings: dict[str, Any] = {}
    """Like `note` and `source` for whoever reads the file; nothing else looks at the three."""


class PresetFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A whole file."""

    preset: Head
    corruption: tuple[Row, ...] = ()
    left_out: dict[str, str] = {}
    """Corruptions of the source that are not offered -> the reason."""


def read_preset_file(text: str, file: str) -> PresetFile:
    """The tables of a preset. Raises DataError that names the file and the key."""
    try:
        raw = msgspec.toml.decode(text)
    except msgspec.DecodeError as error:
        raise DataError(f"{file}: not valid TOML: {error}") from error
    try:
        found = msgspec.convert(raw, PresetFile)
    except msgspec.ValidationError as error:
        raise DataError(_explain(str(error), raw, file)) from error
    if not found.corruption:
        raise DataError(f"{file}: no [[corruption]] entry")
    return found


def _explain(error: str, raw: dict[str, Any], file: str) -> str:
    """The validator's message with the key in front, as a person would look it up in the file."""
    message, _, place = error.partition(" - at `$")
    place = place.strip("`").lstrip(".")
    if missing := re.search(r"missing required field `(.+)`", message):
        if not place:
            return f"{file}, {missing[1]}: missing"
        return f"{file}, {place}.{missing[1]}: missing"
    if strange := re.search(r"unknown field `(.+)`", message):
        if not place:
            known = "[preset], [[corruption]], [left_out]"
            return f"{file}: unknown table [{strange[1]}]; known are {known}"
        fields = Head.__struct_fields__ if place == "preset" else Row.__struct_fields__
        return f"{file}, {place}.{strange[1]}: unknown key; known are {', '.join(fields)}"
    value: Any = raw
    for part in re.findall(r"\w+|\[\.\.\.\]", place):
        if isinstance(value, dict) and part in value:
            value = value[part]
        elif isinstance(value, list) and part.isdecimal():
            value = value[int(part)]
    if least := re.search(r">= (\d+)", message):
        return f"{file}, {place}: expected at least {least[1]}, got {value!r}"
    expected = re.search(r"Expected `([^`]+)`", message)
    wanted = {"object": "table", "array": "list"}.get(expected[1], expected[1]) if expected else message
    return f"{file}, {place}: expected {wanted.replace(' | null', '')}, got {value!r}"
