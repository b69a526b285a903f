"""From a video file to masks, films and numbers, with and without truth."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

import robust_vos_bench as rvos
from helpers.video_files import SIZE, pictures, write_video
from robust_vos_bench.cli import main
from robust_vos_bench.datasets.images import write_mask
from robust_vos_bench.datasets.overlay import draw_overlay, object_colours

PAGE = Path(__file__).resolve().parents[2] / "docs" / "your-video.md"
SHY = """
import numpy as np
from robust_vos_bench import ModelCard, VOSAdapter

class Shy(VOSAdapter):
    \"\"\"Its masks lie four columns further right where the picture has little contrast.\"\"\"

    card = ModelCard("shy", license="MIT")

    def segment(self, video):
        for t, frame in enumerate(video.frames):
            yield np.roll(video.prompts[0], 0 if frame.std() > 6 else 4, axis=1)
"""


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with a video of eight frames, and a folder with another one and its mask."""
    monkeypatch.setenv("RVOS_BENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("RVOS_BENCH_WORKERS", "1")
    monkeypatch.chdir(tmp_path)
    write_video(tmp_path / "clip.mp4")
    (tmp_path / "videos").mkdir()
    write_video(tmp_path / "videos" / "street.mp4", pictures(4))
    mask = np.zeros(SIZE, np.uint8)
    mask[10:30, 20:36] = 1
    write_mask(tmp_path / "videos" / "street.png", mask)
    (tmp_path / "shy.py").write_text(SHY)
    return tmp_path


def command(*words: object) -> int:
    with pytest.raises(SystemExit) as end:
        main([str(word) for word in words])
    return int(end.value.code or 0)


def frames_in(film: Path) -> int:
    with av.open(str(film)) as container:
        return sum(1 for _ in container.decode(video=0))


def test_every_command_of_the_page_runs(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = PAGE.read_text()
    (place / "first.txt").write_text(re.findall(r"```text\n(.*?)```", text, re.DOTALL)[0])
    commands = re.findall(r"^    rvos-bench (.*)$", text, re.MULTILINE)
    assert len(commands) == 9
    shown = {}
    for line in commands:
        capsys.readouterr()
        assert command(*shlex.split(line)) == 0, line
        shown[line] = capsys.readouterr().out
    run = next(out for line, out in shown.items() if line.startswith("run --dataset clip.mp4"))
    assert "No J&F for clip: J&F compares masks with true masks" in run and "stability" in run
    masks = place / "my-run" / "masks" / "labelprop" / "fog-1-drift"
    assert len(list((masks / "clip").glob("*.png"))) == 8 and frames_in(masks / "clip.mp4") == 8
    assert frames_in(place / "overlay.mp4") == 8 and frames_in(place / "films/labelprop/fog-3-drift/clip.mp4") == 8
    assert frames_in(place / "preview.mp4") >= 72 and Image.open(place / "preview.png").width > 1000
    assert (place / "frames/clean/JPEGImages/clip/00007.png").is_file()
    page = (place / "my-run" / "report.html").read_text()
    assert ">Without truth</h2>" in page and page.count("data:image/jpeg") >= 8
    assert all(re.search(r' width="\d+" height="\d+"', image) for image in re.findall(r"<img [^>]*>", page)), (
        "it would jump"
    )
    assert ">Scores</h2>" not in page and "least stable under" in page
    names: dict[str, object] = {}
    for block in re.findall(r"```python\n(.*?)```", text, re.DOTALL):
        exec(compile(block, str(PAGE), "exec"), names)
    assert names["done"].robustness["static"]["stability"] == 100  # type: ignore[attr-defined]
    assert [path.name for path in names["films"]] == ["clip.mp4"]  # type: ignore[attr-defined]


def test_stability_needs_no_truth(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The box is 16 wide and moves by 4: it shares 12 of 20 columns. The frame of the prompt does not count."""
    words = ("run", "-m", "shy.py:Shy", "-c", "contrast", "-s", "1,5", "-o", "out", "--json", "-q", "-d", "videos")
    assert command(*words) == 0
    found = json.loads(capsys.readouterr().out)["without_truth"]
    assert found["videos"] == ["street"] and found["stability"] == {"shy": pytest.approx((100 + 60) / 2)}
    run = rvos.load_run(place / "out")
    row = run.robustness["shy"]
    assert (row.stability("contrast-1"), row.stability("contrast-5")) == (100, pytest.approx(60))
    assert row["lost"] != row["lost"], "nothing is said of what only a truth could tell"
    assert command(*words) == 0
    assert json.loads(capsys.readouterr().out)["without_truth"]["stability"] == found["stability"]
    (place / "out/masks/shy/contrast-5/street/00002.png").unlink()
    (place / "out/stability/shy.json").unlink()
    gone = rvos.load_run(place / "out").robustness["shy"]
    assert gone.stability("contrast-1") == 100 and gone["stability"] != gone["stability"], "nothing is filled in"


def test_some_videos_with_truth_and_a_broken_one(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (place / "videos" / "known").mkdir()
    write_video(place / "videos" / "known.mp4", pictures(4))
    mask = np.zeros(SIZE, np.uint8)
    mask[10:30, 20:36] = 1
    for t in range(4):
        write_mask(place / "videos" / "known" / f"{t}.png", mask)
    words = ("run", "-m", "shy.py:Shy", "-c", "contrast", "-s", "5", "-o", "out", "-d", "videos")
    assert command(*words) == 0
    shown = capsys.readouterr()
    assert "100.0" in shown.out and "1 video without truth after the prompt" in shown.out and "stability" in shown.out
    assert len(list((place / "out/masks/shy/clean").glob("*.mp4"))) == 1, "films are of videos without truth"
    run = rvos.load_run(place / "out")
    assert run.robustness["shy"]["stability"] == pytest.approx(60) and run.robustness["shy"]["P"] == pytest.approx(100)
    assert command("score", "-d", "videos", "--videos", "kno*", "--predictions", "out/masks/shy/clean") == 0
    (place / "videos" / "bad.mp4").write_bytes((place / "clip.mp4").read_bytes()[:900])
    write_mask(place / "videos" / "bad.png", mask)
    capsys.readouterr()
    assert command("run", "-m", "static", "-c", "contrast", "-s", "5", "-o", "two", "-d", "videos") == 3
    assert "bad.mp4: not a readable video" in capsys.readouterr().err
    assert command("data", "verify", "-d", "videos") == 4
    assert "bad.mp4: not a readable video" in capsys.readouterr().out
    assert command("data", "verify", "-d", "videos", "--videos", "known,street") == 0


def test_masks_and_films_can_be_declined(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ("run", "-m", "static", "-c", "contrast", "-s", "5", "-d", "videos", "--no-save-masks", "--no-overlay")
    assert command(*words, "-o", "out") == 0 and not (place / "out" / "masks").exists()
    assert "No stability either" in capsys.readouterr().out
    assert command("overlay", "out") == 4
    assert "--save-masks" in capsys.readouterr().err


def test_settings_say_the_same_in_python(place: Path) -> None:
    run = rvos.run(
        "static", "contrast", severity=5, dataset="clip.mp4", mask={0: "videos/street.png"}, videos="cl*",
        save_masks=False, overlay=True, progress=False,
    )  # fmt: skip
    line = shlex.join(run.manifest.command)
    assert f"--dataset {place}/clip.mp4 --mask 0={place}/videos/street.png --videos 'cl*'" in line
    assert line.endswith("--no-save-masks --overlay")


@pytest.mark.parametrize(
    ("words", "message"),
    (
        (("--videos", "strete"), "Did you mean 'street'"),
        (("--videos", "x*"), r"unknown video of videos 'x\*'\. There are street"),
        (("--mask", "no.png"), "no.png: no such mask"),
        (("--mask", "shy.py"), "masks are .png pictures or .txt files"),
    ),
)
def test_wrong_words_are_refused(
    words: tuple[str, ...], message: str, place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command("run", "-m", "static", "-d", "videos", *words) in (2, 4)
    assert re.search(message, capsys.readouterr().err)


def test_an_overlay_shows_objects_in_their_colours() -> None:
    frame = np.full((120, 160, 3), 100, np.uint8)
    mask = np.zeros((120, 160), np.uint8)
    mask[20:80, 30:90], mask[90:100, 100:140] = 1, 9
    mask[0:4, 0:4] = 255
    drawn = draw_overlay(frame, mask, alpha=0.5)
    first, ninth = object_colours()[1], object_colours()[9]
    assert np.abs(drawn[30, 40].astype(int) - (first.astype(int) + 100) / 2).max() <= 1
    assert (drawn[20, 60] == first).all() and (drawn[90, 130] == ninth).all() and (drawn[19, 60] == 16).all()
    assert (drawn[110:, :20] == 100).all() and (drawn[2, 2] == 100).all(), "background and void stay"
    assert (drawn[35:65, 45:75].min(axis=2) > 200).any(), "its number"
    plain = draw_overlay(frame, mask, alpha=0, contours=False, labels=False)
    assert (plain == frame).all() and plain is not frame
    assert (object_colours("davis")[1] == (128, 0, 0)).all()


@pytest.fixture
def drawn(place: Path) -> Callable[..., int]:
    """Runs `overlay` on five frames with masks of frames 1 and 3."""
    for kind in ("frames/one", "masks/one", "frames/two", "masks/two"):
        (place / kind).mkdir(parents=True)
    for t, picture in enumerate(pictures(5)):
        for video in ("one", "two"):
            Image.fromarray(picture).save(place / "frames" / video / f"{t:03d}.png")
    for t in (1, 3):
        for video in ("one", "two"):
            write_mask(place / "masks" / video / f"{t:05d}.png", np.eye(*SIZE, dtype=np.uint8))

    def call(*words: object) -> int:
        return command("overlay", "-q", *words)

    return call


def test_overlay_of_any_folder_of_masks(
    drawn: Callable[..., int], place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("a.mp4", "a.gif", "a.webp", "a.apng"):
        assert drawn("frames/one", "masks/one", "-o", name, "--title", "eye", "--palette", "davis") == 0
        assert name == "a.mp4" or getattr(Image.open(place / name), "n_frames", 0) == 5
    assert frames_in(place / "a.mp4") == 5
    with av.open("a.mp4") as container:
        shown = [frame.to_ndarray(format="rgb24").astype(int) for frame in container.decode(video=0)]
    assert drawn("frames/one", "masks/one", "-o", "b.mp4", "--alpha", "0", "--no-contours", "--no-labels") == 0
    assert np.abs(shown[3][24:, 24:] - pictures(5)[3][24:, 24:]).max() > 60, "masks go with frames by number"
    assert np.abs(shown[2][24:, 24:] - pictures(5)[2][24:, 24:]).max() < 60
    assert drawn("clip.mp4", "masks/one", "-o", "c.mp4", "--fps", "5") == 0 and frames_in(place / "c.mp4") == 8
    assert drawn("frames", "masks", "-o", "all") == 0 and len(list((place / "all").glob("*.mp4"))) == 2
    assert drawn("frames", "masks", "--videos", "two", "-o", "two.mp4") == 0
    capsys.readouterr()
    for words, code, message in (
        (("frames/one", "masks/one", "-o", "a.avi"), 2, "films are written as .mp4, .gif"),
        (("frames/one", "masks/one"), 2, "where to?"),
        (("frames/one",), 2, "a folder of masks is needed"),
        (("frames", "masks", "-o", "x.mp4"), 2, "there are 2 videos; give a folder"),
        (("frames/one", "masks/one", "-o", "x.mp4", "--palette", "davsi"), 2, "Did you mean 'davis'"),
    ):
        assert drawn(*words) == code and message in capsys.readouterr().err, words
    write_mask(place / "masks/one/00009.png", np.eye(*SIZE, dtype=np.uint8))
    assert drawn("frames/one", "masks/one", "-o", "x.mp4") == 4
    assert "00009.png: there is no frame of this name" in capsys.readouterr().err
    write_mask(place / "masks/one/00009.png", np.eye(9, dtype=np.uint8))
    (place / "masks/one/00009.png").rename(place / "masks/one/00002.png")
    assert drawn("frames/one", "masks/one", "-o", "x.mp4") == 4 and not (place / "x.mp4").exists()
    assert "00002.png: a mask of 9 x 9" in capsys.readouterr().err
