"""`python -m website`: stage the pages, make what is made from the code, build, check every link."""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

from website import gallery, generated
from website.links import faults
from website.local_search import without_other_hosts
from website.nav import with_folders
from website.stage import stage

ROOT = Path(__file__).resolve().parents[1]
HERE = ROOT / "website"
WORK = HERE / "build"
"""Staged pages and the built site; ignored by git."""
BUILT = ".rvos-bench-site"
"""An empty file that says that a folder was made by this command, and may be replaced by it."""


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m website",
        description="Build the documentation site into website/build/site. Needs: pip install -e '.[docs]'",
        epilog="Examples: python -m website            all of it, a few minutes the first time (the gallery is kept)\n"
        "          python -m website --no-gallery   pages only, half a minute",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--no-gallery", action="store_true", help="leave the pictures of the corruptions out")
    parser.add_argument("--output", type=Path, default=WORK / "site", metavar="DIR", help="where the site goes")
    arguments = parser.parse_args()
    if find_spec("zensical") is None:
        print("the site is built by zensical: pip install -c constraints.txt -e '.[docs]'", file=sys.stderr)
        return 4
    output = arguments.output.resolve()
    if output != WORK / "site" and output.exists() and not is_site(output):
        print(f"{output} is there and is no site that was built here; choose another --output", file=sys.stderr)
        return 2
    pages = WORK / "pages"
    shutil.rmtree(pages, ignore_errors=True)
    stage(ROOT, pages)
    generated.write(pages)
    gallery.write(pages, WORK / "pictures", with_pictures=not arguments.no_gallery)
    built = _build(pages)
    found = faults(built)
    for fault in found:
        print(fault, file=sys.stderr)
    if found:
        return 1
    if output != built:
        if output.exists():
            shutil.rmtree(output)
        shutil.copytree(built, output)
    print(output / "index.html")
    return 0


def is_site(folder: Path) -> bool:
    """Whether a folder may be replaced: it is empty, or holds what an earlier build left."""
    return folder.is_dir() and (not any(folder.iterdir()) or (folder / BUILT).is_file())


def _build(pages: Path) -> Path:
    """Run the generator on the staged pages; warnings are errors."""
    config = WORK / "mkdocs.yml"
    config.write_text(with_folders(HERE / "mkdocs.yml", pages), encoding="utf-8")
    shutil.rmtree(WORK / "site", ignore_errors=True)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join((str(ROOT), os.environ.get("PYTHONPATH", "")))}
    command = [sys.executable, "-m", "zensical", "build", "--strict", "--clean", "--config-file", str(config)]
    subprocess.run(command, check=True, cwd=WORK, env=environment)
    without_other_hosts(WORK / "site")
    (WORK / "site" / BUILT).touch()
    return WORK / "site"


if __name__ == "__main__":
    sys.exit(main())
