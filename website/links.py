"""Checking the built pages: every link leads somewhere, and nothing is asked of another host."""

from __future__ import annotations

from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

_LOADED = {
    "img": ("src",),
    "script": ("src",),
    "source": ("src", "srcset"),
    "video": ("src", "poster"),
    "iframe": ("src",),
}
"""What a browser fetches by itself; `link` too, except for a few relations."""
_NAMED_ONLY = {"canonical", "alternate", "next", "prev", "license"}


class _Page(HTMLParser):
    """Targets and anchors of one page."""

    def __init__(self) -> None:
        super().__init__()
        self.anchors: set[str] = {""}
        self.links: list[str] = []
        self.loaded: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        self.anchors.update(values[name] for name in ("id", "name") if values.get(name))
        if tag == "a" and "href" in values:
            self.links.append(values["href"])
        if tag == "link" and not _NAMED_ONLY & set(values.get("rel", "").split()):
            self.loaded.append(values.get("href", ""))
        for name in _LOADED.get(tag, ()):
            if values.get(name):
                self.loaded.append(values[name])


def faults(site: Path) -> list[str]:
    """What is wrong with the pages below `site`, a line each: links and anchors that lead nowhere, foreign requests."""
    pages = {}
    for path in sorted(site.rglob("*.html")):
        page = _Page()
        page.feed(path.read_text(encoding="utf-8"))
        pages[path.resolve()] = page
    found = []
    for path, page in pages.items():
        name = path.relative_to(site.resolve())
        for target in page.loaded:
            if urlsplit(target).scheme in ("http", "https") or target.startswith("//"):
                found.append(f"{name}: loads {target} from another host")
        if name.name == "404.html":  # its links are absolute: it is shown for any address
            continue
        for target in (*page.links, *page.loaded):
            fault = _fault(target, path, pages)
            if fault:
                found.append(f"{name}: {target}: {fault}")
    return found


def _fault(target: str, path: Path, pages: dict[Path, _Page]) -> str:
    parts = urlsplit(target)
    if parts.scheme or parts.netloc:
        return ""
    wanted = (path.parent / unquote(parts.path)).resolve() if parts.path else path
    if wanted.is_dir():
        wanted /= "index.html"
    if not wanted.is_file():
        return "no such file"
    if wanted in pages and unquote(parts.fragment) not in pages[wanted].anchors:
        return "no such anchor"
    return ""
