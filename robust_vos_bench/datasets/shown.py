"""Films and pictures that were written, which show themselves in a notebook."""

from __future__ import annotations

import base64
from html import escape
from pathlib import Path

KINDS = {
    ".mp4": "video/mp4", ".gif": "image/gif", ".webp": "image/webp", ".apng": "image/apng", ".png": "image/png",
    ".jpg": "image/jpeg", ".jpeg": "image/jpeg",
}  # fmt: skip
LIMIT = 24 * 2**20
"""Bytes that are put into a notebook; what does not fit is named."""


class ShownFiles(list[Path]):
    """Paths of films and pictures: a list, which a notebook shows as what is in them."""

    def _repr_html_(self) -> str:
        left, parts = LIMIT, []
        for path in self:
            kind = KINDS.get(path.suffix.lower(), "")
            size = path.stat().st_size if path.is_file() else -1
            name = escape(str(path))
            if not kind or not 0 <= size <= left:
                why = "is not there any more" if size < 0 else "" if not kind else "is too large to be shown here"
                parts.append(f"<p><code>{name}</code> {why}</p>")
                continue
            left -= size
            data = f"data:{kind};base64,{base64.b64encode(path.read_bytes()).decode()}"
            film = f"<video controls loop muted playsinline style='max-width:100%' src='{data}'></video>"
            shown = film if kind.startswith("video") else f"<img style='max-width:100%' src='{data}' alt='{name}'>"
            parts.append(f"<figure style='margin:0 0 1em'>{shown}<figcaption><code>{name}</code></figcaption></figure>")
        return "".join(parts) or "<p>no films</p>"
