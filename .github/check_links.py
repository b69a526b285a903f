"""Check the links of every markdown file: files and folders exist, and headings that are linked to exist.

Links to the web are not followed. Prints each broken link and exits with 1 where there is one.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from urllib.parse import unquote

LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^()\s]+(?:\([^()]*\))?)\)|!\[[^\]]*\]\(([^()\s]+)\)")
HEADING = re.compile(r"^#{1,6}\s+(.*?)\s*#*$", re.MULTILINE)
FENCE = re.compile(r"^(```|~~~).*?^\1", re.MULTILINE | re.DOTALL)
CODE = re.compile(r"`[^`\n]*`")


def anchors(text: str) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them; repeated headings get -1, -2, ..."""
    found: set[str] = set()
    for heading in HEADING.findall(FENCE.sub("", text)):
        plain = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).replace("`", "")
        anchor = re.sub(r"[^\w\- ]", "", plain.lower()).replace(" ", "-")
        number = 0
        while (name := anchor + (f"-{number}" if number else "")) in found:
            number += 1
        found.add(name)
    return found


def broken(page: Path, root: Path) -> list[str]:
    """The broken links of one page."""
    text = page.read_text(encoding="utf-8")
    problems = []
    for match in LINK.finditer(CODE.sub("", FENCE.sub("", text))):
        link = match.group(1) or match.group(2)
        if re.match(r"[a-z][a-z0-9+.-]*:", link):
            continue
        path, _, anchor = link.partition("#")
        target = page if not path else (page.parent / unquote(path)).resolve()
        if not target.exists() or not target.is_relative_to(root):
            problems.append(f"{page.relative_to(root)}: no file {link}")
        elif anchor and target.suffix == ".md" and anchor not in anchors(target.read_text(encoding="utf-8")):
            problems.append(f"{page.relative_to(root)}: no heading {link}")
    return problems


def main() -> int:
    """Check every markdown file that git tracks."""
    root = Path(__file__).resolve().parent.parent
    listed = subprocess.run(["git", "ls-files", "*.md"], cwd=root, capture_output=True, text=True, check=True).stdout
    pages = [root / name for name in listed.splitlines()]
    problems = [problem for page in pages if page.exists() for problem in broken(page, root)]
    print("\n".join(problems) or f"{len(pages)} pages: every link holds")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
