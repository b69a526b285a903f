"""The written form of a condition: "fog-3-frame" says its corruption, severity and mode."""

from __future__ import annotations

import re
from typing import Any

FORM = "a condition is written NAME-SEVERITY[-MODE][-PROFILE][-seedN][-cleanref], e.g. contrast-3 or fog-3-frame"
_LABEL = re.compile(
    r"(?P<corruption>[A-Za-z][A-Za-z0-9_]*|.+\.py:[A-Za-z][A-Za-z0-9_]*)-(?P<severity>\d+)"
    r"(?:-(?P<temporal>frame|video|drift))?"
    r"(?:-(?P<profile>constant|ramp|burst|intermittent|fourier))?"
    r"(?:-seed(?P<seed>-?\d+))?"
    r"(?:-(?P<reference>cleanref|corruptref))?"
)


def is_label(text: str) -> bool:
    """Whether a text has the form of a condition; whether there is such a condition is not asked."""
    return _LABEL.fullmatch(text) is not None


def read_label(text: str) -> dict[str, Any]:
    """Fields of `Condition` that a label says; those that it leaves out are absent. ValueError for another form."""
    found = _LABEL.fullmatch(text)
    if found is None:
        raise ValueError(f"{text!r}: {FORM}")
    said: dict[str, Any] = {key: value for key, value in found.groupdict().items() if value is not None}
    for key in ("severity", "seed"):
        if key in said:
            said[key] = int(said[key])
    if "reference" in said:
        said["clean_reference"] = said.pop("reference") == "cleanref"
    return said
