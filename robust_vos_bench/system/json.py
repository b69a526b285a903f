"""Plain data, dataclasses and records as JSON text."""

from __future__ import annotations

from typing import Any

import msgspec


def to_json(content: Any, indent: int = 2) -> str:
    """Indented JSON; a missing number (NaN) is null."""
    return msgspec.json.format(msgspec.json.encode(content), indent=indent).decode()
