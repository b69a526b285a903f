"""The commands of the pages run, on a miniature DAVIS and the small networks of the package; what cannot has a reason.

Where a command names the demo data or none, or has ... for what the reader wants, the miniature stands in.
"""

from __future__ import annotations

import re
import shutil
import sys
import textwrap
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from helpers.video_files import pictures, write_video
from robust_vos_bench.cli import main
from robust_vos_bench.conditions import load_preset
from robust_vos_bench.system.cache import cache_folder

sys.path.insert(0, str(Path(__file__).resolve().parent))

from test_blocks import blocks
from test_commands import PAGES, ROOT, commands

TESTED_ELSEWHERE = {
    "docs/adapters.md": "tests/models/test_plugin.py",
    "docs/paper.md": "tests/website/test_paper.py",
    "docs/start.md": "tests/website/test_blocks.py",
    "docs/your-model.md": "tests/models/test_your_model_page.py",
    "docs/your-video.md": "tests/cli/test_your_video.py",
}
"""Page -> the test that goes through it in order."""
NOT_RUN = {
    r"^$": "prints a script for the shell by click's own variable",
    r"^data get (?!.*--dry-run)": "downloads a data set",
    r"^weights (get|convert)": "downloads weights of authors",
    r"^reproduce xmem": "needs the authors' weights and DAVIS",
    r"--model (xmem|afb_urr|covos|feelvos|frtm|joint|graphmem)( |$)(?!.*random)": "needs the authors' weights",
    r"--model (frtm\.resnet18|sam2\.large|hf:)": "needs the authors' weights",
    r"--checkpoint (ours=mine\.pth|stcn\.pth|FILE|\S+\.safetensors|AFB|rn101)": "needs a file of weights of the reader",
    r"--checkpoint random \.\.\.": "an untrained full network takes minutes on a CPU; tests/models runs each of them",
    r"^check (cutie|sam2)": "needs a package of the authors",
    r"--corrupt-device cuda": "needs a GPU",
    r"--ray-address": "needs a Ray cluster that was started elsewhere",
    r"^corrupt \.\.\.$": "stands for any options",
    r"my_data\.py": "a file of the reader; tests/datasets tests such files",
    r"^check vignette|--corruption vignette": "built into the package by the reader; test_blocks.py has it",
    r"^attack|--attacked|attacked/scores|^leaderboard aot\.lite-RUN": "an attack takes minutes; tests/attacks has them",
    r"^certify": "hundreds of runs; tests/certify has it",
    r"sleeping\.py": "measures time",
}  # fmt: skip
"""Pattern of a command -> why it is not run here."""


def reason(words: list[str]) -> str:
    line = " ".join(words[1:])
    return next((why for pattern, why in NOT_RUN.items() if re.search(pattern, line)), "")


def lines() -> list[tuple[str, list[str]]]:
    """(page, words) of every command on a page without a test of its own."""
    found = []
    for page in PAGES:
        name = page.relative_to(ROOT).as_posix()
        if name not in TESTED_ELSEWHERE:
            found += [(name, words) for words in commands(page.read_text(encoding="utf-8"))]
    return found


def test_every_page_is_tested_and_every_reason_is_needed() -> None:
    for page, test in TESTED_ELSEWHERE.items():
        assert Path(page).name in (ROOT / test).read_text(encoding="utf-8"), page
    unused = set(NOT_RUN) - {p for _, words in lines() for p in NOT_RUN if re.search(p, " ".join(words[1:]))}
    assert unused == set()
    assert sum(not reason(words) for _, words in lines()) > 35


MINIATURE = ["--dataset", "davis2017:val", "--data-root", "~/DAVIS"]
FAILS = {"data verify": 4}
"""Exit codes other than 0 that the miniature earns: two videos are not the whole of DAVIS."""


def filled(words: list[str]) -> list[str]:
    """The command for the miniature."""
    if "..." in words and "--overwrite" in words:  # a run that is there
        words = [*words, "--model", "flow", "--corruption", "fog", "--severity", "1,3", "-o", "run-a"]
    elif "..." in words and words[1] == "run":
        words = [*words, "--corruption", "fog", "--severity", "3"]
    words = ["~/DAVIS" if word == "DIR" else word for word in words[1:] if word != "..."]
    reads = words[:1] in (["run"], ["corrupt"], ["score"])
    if "demo" in words:
        words = [word for word in words if word not in ("--dataset", "demo")]
    if reads and not {"--dataset", "-d"} & set(words):
        words += MINIATURE
    if words[:1] == ["score"] and "--predictions" not in words:
        words += ["--predictions", "results/"]
    return words


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with everything that the pages name: data, masks, a video, a model, a corruption, runs and a pack."""
    home, here = tmp_path / "home", tmp_path / "here"
    here.mkdir()
    davis(home / "DAVIS")
    for folder in (home / "clips", here / "my-videos"):
        for kind in ("JPEGImages", "Annotations"):
            shutil.copytree(home / "DAVIS" / kind / "480p", folder / kind)
    shutil.copytree(home / "DAVIS" / "Annotations" / "480p", here / "results")
    write_video(here / "clip.mp4", pictures(4))
    Image.fromarray(mask(0)).save(here / "first.png")
    model = blocks(ROOT / "README.md", "python")[0]
    (here / "my_model.py").write_text(f"{model}\n\nclass MyModel(Still):\n    card = ModelCard('my')\n")
    page = "docs/corruptions.md"
    (here / "own.py").write_text(indented(page, "Put this into `own.py`:"))
    monkeypatch.chdir(here)
    monkeypatch.setenv("RVOS_BENCH_CACHE", str(cache_folder()))  # compiled kernels, before HOME changes
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.delenv("RVOS_BENCH_DATA", raising=False)
    return here


@pytest.fixture
def runs(place: Path) -> Path:
    """Two runs and a pack of one, under the names that pages give them."""
    common = [*MINIATURE, "--corruption", "fog", "--severity", "1,3", "-q"]
    assert run(["run", "--model", "flow", "-o", "run-a", *common]) == 0
    assert run(["run", "--model", "static", "-o", "run-b", *common]) == 0
    assert run(["run", "--model", "static,aot.lite", "-o", "rvos-results/my-run", *common]) == 0
    assert run(["pack", "run-b", "-o", "c.json.gz"]) == 0
    return place


def indented(page: str, before: str) -> str:
    """The indented code that follows a line which ends in some words."""
    found = re.search(re.escape(before) + r"\n\n((?:    .*\n|\n)+)", (ROOT / page).read_text(encoding="utf-8"))
    assert found is not None, before
    return textwrap.dedent(found[1])


def test_the_preset_and_the_data_set_of_the_pages_are_read(place: Path) -> None:
    (place / "my.toml").write_text(indented("docs/corruptions.md", "`--preset my.toml` takes one of your own:"))
    preset = load_preset("my.toml")
    assert preset.name == "mine" and [e.corruption for e in preset.entries] == ["fog", "gaussian_noise"]
    names: dict[str, Any] = {}
    exec(indented("docs/datasets.md", "`rvos-bench data where` shows what is found."), names)
    assert len(names["video"]) == 4 and names["truth"].masks[3].max() == 2


def run(words: list[str]) -> int:
    """The exit code of a command."""
    with pytest.raises(SystemExit) as ended:
        main(words)
    return int(ended.value.code or 0)


def mask(t: int) -> np.ndarray:
    made = np.zeros((48, 64), np.uint8)
    made[10:30, 8 + 2 * t : 28 + 2 * t], made[14:40, 40:56] = 1, 2
    return made


def davis(root: Path) -> None:
    """Three videos of four frames, in the layout and under the list files of DAVIS 2016 and 2017."""
    names = ("camel", "car-shadow", "libby")
    for year in ("2016", "2017"):
        (root / "ImageSets" / year).mkdir(parents=True)
        (root / "ImageSets" / year / "val.txt").write_text("\n".join(names) + "\n")
    for name in names:
        frames, masks = root / "JPEGImages" / "480p" / name, root / "Annotations" / "480p" / name
        frames.mkdir(parents=True)
        masks.mkdir(parents=True)
        for t, picture in enumerate(pictures(4)):
            picture[mask(t) > 0] //= 2
            Image.fromarray(picture).save(frames / f"{t:05d}.jpg", quality=95)
            image = Image.fromarray(mask(t))
            image.putpalette([0, 0, 0, 128, 0, 0, 0, 128, 0])
            image.save(masks / f"{t:05d}.png")


PARTS = list(dict.fromkeys(page for page, words in lines() if not reason(words)))


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("page", PARTS)
def test_commands_of_a_page_run(page: str, request: pytest.FixtureRequest, capsys: pytest.CaptureFixture[str]) -> None:
    request.getfixturevalue("runs" if page in ("docs/reports.md", "docs/running.md") else "place")
    for where, words in lines():
        if where != page or reason(words):
            continue
        code = run(filled(words))
        said = capsys.readouterr()
        assert code == FAILS.get(" ".join(words[1:3]), 0), (words, said.out[-2000:], said.err[-2000:])
