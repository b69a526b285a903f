"""Copying pages into one folder, so that links between them hold there.

Pages read well in the checkout too, so they link to files anywhere in it. In the site a link to another page
leads to that page; a link to a file that is no page (source code, a folder) becomes its name.
"""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path, PurePosixPath

from website.pictures.drawing import fixed, is_drawing

PLACES = {
    "CHANGELOG.md": "changelog.md",
    "CONTRIBUTING.md": "contributing.md",
    "CODE_OF_CONDUCT.md": "conduct.md",
    "SECURITY.md": "security.md",
    "tests/plugin/README.md": "plugin.md",
    "robust_vos_bench/scoring/fastpng/README.md": "fastpng.md",
}
"""Page of the checkout -> page of the site, where it is not below docs/, benchmarks/ or leaderboards/."""
PICTURES = {".png", ".svg", ".webp"}
SCHEMES = ("light", "dark")
"""The site has a switch of its own, so a picture that follows the reader's system becomes two files there."""
HOME = ("README.md", "index.md")
"""Links to the README lead to the site's first page; the README itself is for those who see the checkout."""
_LINK = re.compile(r"(?<!!)\[(?P<text>(?:[^\[\]]|\[[^\]]*\])*)\]\((?P<target>[^)\s]+)\)")
_DRAWING = re.compile(r"!\[(?P<text>[^\]]*)\]\((?P<target>[^)\s]+)\.svg\)")
_FENCE = re.compile(r"^(?P<open>\s*(?:```|~~~)\w*)(?P<rest>.*)$")
_FILE = re.compile(r"file=(\S+)")
_REMOTE = re.compile(r"^[a-z][a-z0-9+.-]*:|^//")


def pages_of(root: Path) -> dict[str, str]:
    """Every page: its path in the checkout -> its path in the site."""
    found = {name: place for name, place in PLACES.items() if (root / name).is_file()}
    for path in sorted((root / "docs").rglob("*.md")):
        found[path.relative_to(root).as_posix()] = path.relative_to(root / "docs").as_posix()
    for folder, place in (("benchmarks", "benchmarks"), ("leaderboards", "leaderboards")):
        for path in sorted((root / folder).glob("*.md")):
            name = "index.md" if path.name == "README.md" else path.name
            found[path.relative_to(root).as_posix()] = f"{place}/{name}"
    return found


def stage(root: Path, target: Path) -> None:
    """Copy all pages and pictures of the checkout `root` into `target`, with their links made right.

    Raises ValueError where a page links to a file that does not exist.
    """
    written = pages_of(root)
    pages = {**written, HOME[0]: HOME[1]}
    for source, place in written.items():
        path = target / place
        path.parent.mkdir(parents=True, exist_ok=True)
        text = (root / source).read_text(encoding="utf-8")
        path.write_text(rewrite(text, source, pages, root), encoding="utf-8")
    shutil.copyfile(root / "docs" / "site.css", target / "site.css")
    for folder, place in (("docs/pictures", "pictures"), ("benchmarks", "benchmarks")):
        (target / place).mkdir(parents=True, exist_ok=True)
        for picture in (root / folder).iterdir():
            if picture.suffix in PICTURES:
                shutil.copyfile(picture, target / place / picture.name)
            if is_fixable(picture):
                for scheme in SCHEMES:
                    drawn = fixed(picture.read_text(encoding="utf-8"), scheme == "dark")
                    (target / place / f"{picture.stem}-{scheme}.svg").write_text(drawn, encoding="utf-8")


def rewrite(text: str, source: str, pages: dict[str, str], root: Path) -> str:
    """A page's text with each link to a file of the checkout made right for the page's place in the site."""
    made: list[str] = []
    prose: list[str] = []  # lines between fences, together: a link may go over the end of a line

    def finish() -> None:
        text = _LINK.sub(lambda m: _link(m, source, pages, root), "".join(prose))
        made.append(_DRAWING.sub(lambda m: _drawing(m, source, root), text))
        prose.clear()

    fenced = False
    for line in text.splitlines(keepends=True):
        fence = _FENCE.match(line)
        if fence:
            finish()
            fenced = not fenced
            named = _FILE.search(fence["rest"])  # the words behind the language are for the tests
            made.append(fence["open"] + (f' title="{named[1]}"' if named else "") + "\n")
        elif fenced:
            made.append(line)
        else:
            prose.append(line)
    finish()
    return "".join(made)


def _link(match: re.Match[str], source: str, pages: dict[str, str], root: Path) -> str:
    text, target = match["text"], match["target"]
    if _REMOTE.match(target) or target.startswith("#"):
        return match[0]
    path, _, anchor = target.partition("#")
    wanted = os.path.normpath(PurePosixPath(source).parent / path).replace(os.sep, "/")
    if (root / wanted).is_dir() and f"{wanted}/README.md" in pages:
        wanted = f"{wanted}/README.md"
    if wanted in pages:
        here = PurePosixPath(pages[source]).parent
        there = os.path.relpath(pages[wanted], here).replace(os.sep, "/")
        return f"[{text}]({there}{'#' + anchor if anchor else ''})"
    if not (root / wanted).exists():
        raise ValueError(f"{source}: links to {target}, which does not exist")
    if wanted.startswith("docs/pictures/"):
        return match[0]
    return text if text.startswith("`") else f"`{wanted}`" if text == path else f"{text} (`{wanted}`)"


def is_fixable(picture: Path) -> bool:
    """Whether a picture is one of `website.pictures`, which can be had in either colour scheme."""
    return picture.suffix == ".svg" and is_drawing(picture.read_text(encoding="utf-8"))


def _drawing(match: re.Match[str], source: str, root: Path) -> str:
    """A picture that follows the colour scheme, as two of which the site shows one."""
    text, target = match["text"], match["target"]
    if not is_fixable(root / PurePosixPath(source).parent / f"{target}.svg"):
        return match[0]
    return "".join(f"![{text}]({target}-{scheme}.svg#only-{scheme})" for scheme in SCHEMES)
