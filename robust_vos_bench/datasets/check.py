"""Does a data set keep the contract? Its first videos, looked at as a run does."""

from __future__ import annotations

import contextlib
import pickle
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from robust_vos_bench.datasets.dataset import Dataset
from robust_vos_bench.datasets.video import Truth, Video
from robust_vos_bench.errors import RvosError
from robust_vos_bench.findings import Report
from robust_vos_bench.system.tracebacks import whole, with_place

VIDEOS = 3
"""Videos looked at."""
FRAMES = 3
"""Frames decoded per video: the first, a middle one, the last."""
LARGEST = 1 << 20
"""Bytes that a pickled data set may have: it is sent to every worker."""
_ELSEWHERE = (
    "import pickle, sys\n"
    "data, name = pickle.load(sys.stdin.buffer)\n"
    "video = data.video(name)\n"
    "print(data.fingerprint(name), len(video))\n"
)


def check_dataset(data: Dataset, find_protocol: Callable[[str], object]) -> Report:
    """Run every check on the first videos of a data set; never raises for what it does.

    find_protocol: raises where there is no scoring protocol of a name (`robust_vos_bench.scoring.make_protocol`).
    """
    return _Checker(data, find_protocol).run()


class _Checker:
    def __init__(self, data: Dataset, find_protocol: Callable[[str], object]) -> None:
        self.data, self.find_protocol = data, find_protocol
        self.report = Report(data.name, "dataset")

    def run(self) -> Report:
        start = time.perf_counter()
        names: list[str] = []

        def find_names() -> str:
            with _decoded() as decoded:
                names.extend(self.data.videos)
            return _wrong_names(names) or (f"listing the videos decodes {decoded[0]} frames" if decoded[0] else "")

        if self.attempt("names are unique and safe as file names", find_names):
            self.attempt("same names and order again", lambda: "" if list(self.data.videos) == names else "they differ")
            self.attempt("the protocol is known", self._protocol)
            for name in names[:VIDEOS]:
                self._video(name)
            self._fingerprints(names)
            self._unknown_name()
            self._elsewhere(names[0])
            self._changed_bytes(names[0])
        self.report.seconds = time.perf_counter() - start
        return self.report

    def attempt(self, check: str, work: Callable[[], str], level: str = "broken") -> bool:
        """Note what `work` says is wrong, or the error that it raises."""
        try:
            return self.report.add(check, work(), level)
        except RvosError as error:
            return self.report.add(check, str(error), traceback=whole(error) if error.__cause__ else "")
        except (Exception, SystemExit) as error:
            said = with_place(f"{type(error).__name__}: {error}", error)
            return self.report.add(check, said, traceback=whole(error))

    def _protocol(self) -> str:
        self.find_protocol(self.data.protocol)
        return ""

    def _video(self, name: str) -> None:
        opened: list[Video] = []

        def open_video() -> str:
            with _decoded() as decoded:
                video = self.data.video(name)
            opened.append(video)
            if decoded[0] >= max(len(video), 2):  # masks are not counted: they tell where objects first appear
                return f"opening it decodes {decoded[0]} frames; decode a frame when it is asked for"
            return _wrong_video(video, name, self.data.name)

        if not self.attempt(f"{name}: opens, names, sizes", open_video):
            return
        video = opened[0]
        self.attempt(f"{name}: frames (RGB uint8, one size, the same twice)", lambda: self._frames(video))
        self.attempt(f"{name}: prompts (ids 1..254, each object once)", lambda: _wrong_prompts(video))
        self._truth(name, video)

    def _frames(self, video: Video) -> str:
        wanted = {0, len(video) // 2, len(video) - 1}
        seen: list[dict[int, np.ndarray]] = []
        for _ in range(2):
            kept: dict[int, np.ndarray] = {}
            count = 0
            for t, frame in enumerate(video.frames):
                count += 1
                self.report.frames += 1
                if not isinstance(frame, np.ndarray) or frame.dtype != np.uint8 or frame.shape != (*video.size, 3):
                    got = f"{frame.dtype} {frame.shape}" if isinstance(frame, np.ndarray) else type(frame).__name__
                    return f"frame {t}: expected RGB uint8 {(*video.size, 3)}, got {got}"
                if t in wanted:
                    kept[t] = frame.copy()
            if count != len(video):
                return f"{count} frames, but {len(video)} frame names"
            seen.append(kept)
        different = [t for t in wanted if not np.array_equal(seen[0][t], seen[1][t])]
        return f"frame {different[0]} differs when it is read again" if different else ""

    def _truth(self, name: str, video: Video) -> None:
        check = f"{name}: truth (ids, size, names)"
        found: list[Truth | None] = []

        def work() -> str:
            found.append(self.data.truth(name))
            return "" if found[0] is None else _wrong_truth(found[0], video)

        if self.attempt(check, work) and found == [None]:
            self.report.findings.pop()
            self.report.skip(check, "it is not published")

    def _fingerprints(self, names: list[str]) -> None:
        def work() -> str:
            prints = [self.data.fingerprint(name) for name in names[:VIDEOS]]
            for name, found in zip(names, prints):
                if not isinstance(found, str) or not re.fullmatch(r"[0-9a-f]{32,}", found):
                    return f"{name}: expected a hex digest, got {found!r}"
                if self.data.fingerprint(name) != found:
                    return f"{name}: another one when it is asked for again"
            return "two videos have the same one" if len(set(prints)) < len(prints) else ""

        self.attempt("fingerprints are digests, stable, and differ between videos", work)

    def _unknown_name(self) -> None:
        def work() -> str:
            try:
                self.data.video("no such video")
            except RvosError:
                return ""
            return "video('no such video') raises nothing; raise DataError"

        self.attempt("an unknown video is an error that says so", work, "warning")

    def _elsewhere(self, name: str) -> None:
        def work() -> str:
            sent = pickle.dumps((self.data, name))
            if len(sent) > LARGEST:
                return f"it has {len(sent) / 2**20:.1f} MiB when pickled; keep paths, not frames"
            command = [sys.executable, "-c", _ELSEWHERE]
            done = subprocess.run(command, input=sent, capture_output=True, check=False, timeout=300)
            if done.returncode:
                lines = done.stderr.decode(errors="replace").strip().splitlines()
                return f"another process cannot use it: {lines[-1] if lines else 'it died'}"
            expected = f"{self.data.fingerprint(name)} {len(self.data.video(name))}"
            return "" if done.stdout.decode().split() == expected.split() else "another process sees other data"

        self.attempt("works in another process (pickled)", work)

    def _changed_bytes(self, name: str) -> None:
        check = "the fingerprint changes with the bytes"
        layout = self.data.layout
        if layout is None or not self.data.movable:
            self.report.skip(check, "its files cannot be copied and read elsewhere (Dataset.layout, movable, at)")
            return

        def work() -> str:
            alone = self.data.at(layout.root, [name])
            files = [*alone.frame_paths(name), *alone.mask_paths(name).values()]
            with tempfile.TemporaryDirectory(prefix="rvos-check-") as folder:
                for path, data in alone.list_files().items():
                    _put(Path(folder) / path, data)
                for file in files:
                    _put(Path(folder) / file.relative_to(layout.root), file.read_bytes())
                if self.data.at(Path(folder), [name]).fingerprint(name) != self.data.fingerprint(name):
                    return "an exact copy has another one"
                for file in (files[0], files[-1]):
                    copy = Path(folder) / file.relative_to(layout.root)
                    data = file.read_bytes()
                    copy.write_bytes(data + b"\0")
                    if self.data.at(Path(folder), [name]).fingerprint(name) == self.data.fingerprint(name):
                        return f"{file.name} with another byte has the same one"
                    copy.write_bytes(data)
            return ""

        self.attempt(check, work)


def _put(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


def _wrong_names(names: list[str]) -> str:
    if not names:
        return "it has no videos"
    for name in names:
        if not isinstance(name, str) or not name or name in (".", "..") or re.search(r'[/\\\0:*?"<>|]', name):
            return f"{name!r} cannot be the name of a folder"
        if names.count(name) > 1:
            return f"{name!r} is there twice"
    return ""


def _wrong_video(video: Video, name: str, dataset: str) -> str:
    if video.name != name:
        return f"it calls itself {video.name!r}"
    if video.dataset != dataset:
        return f"Video.dataset is {video.dataset!r}, not {dataset!r}: random draws would not be those of this data set"
    if len(video.frames) != len(video):
        return f"{len(video.frames)} frames, but {len(video)} frame names"
    if len(set(video.frame_names)) != len(video):
        return "two frames have one name"
    return ""


def _wrong_prompts(video: Video) -> str:
    seen: set[int] = set()
    for t, mask in sorted(video.prompts.items()):
        if not isinstance(mask, np.ndarray) or mask.dtype != np.uint8 or mask.shape != tuple(video.size):
            return f"the prompt of frame {t} is no uint8 mask of {tuple(video.size)}"
        if not 0 <= t < len(video):
            return f"a prompt at frame {t}, but there are {len(video)} frames"
        ids = set(np.unique(mask).tolist()) - {0}
        if 255 in ids:
            return f"the prompt of frame {t} holds 255, which means void"
        if ids & seen:
            return f"the prompt of frame {t} holds object {min(ids & seen)}, which was prompted before"
        seen |= ids
    return "" if seen else "no prompt holds an object"


def _wrong_truth(truth: Truth, video: Video) -> str:
    if truth.video != video.name or tuple(truth.size) != tuple(video.size):
        return f"it is of {truth.video!r}, {tuple(truth.size)}; the video is {video.name!r}, {tuple(video.size)}"
    if len(truth.masks) != len(truth.frame_names):
        return f"{len(truth.masks)} masks, but {len(truth.frame_names)} frame names"
    if strange := set(truth.frame_names) - set(video.frame_names):
        return f"frame {min(strange)!r} is not a frame of the video"
    ids = set(video.object_ids)
    if set(truth.first_frames) != ids:
        return f"objects {sorted(truth.first_frames)}; the prompts hold {sorted(ids)}"
    if truth.frame_names == video.frame_names and dict(truth.first_frames) != video.first_frames:
        return f"first frames {dict(truth.first_frames)}; those of the prompts are {video.first_frames}"
    found: set[int] = set()
    for t, mask in enumerate(truth.masks):
        if mask is None:
            continue
        if mask.dtype != np.uint8 or mask.shape != tuple(video.size):
            return f"the mask of frame {t} is {mask.dtype} {mask.shape}, not uint8 {tuple(video.size)}"
        found |= set(np.unique(mask).tolist())
    missing = ids - found
    return f"object {min(missing)} is in no truth mask" if missing and found else ""


@contextlib.contextmanager
def _decoded() -> Iterator[list[int]]:
    """Counts the colour images that Pillow decodes in the block, and all that OpenCV does."""
    from PIL import ImageFile

    count = [0]
    seen: dict[int, ImageFile.ImageFile] = {}
    real = ImageFile.ImageFile.load

    def load(self: ImageFile.ImageFile) -> object:
        if self.mode not in ("1", "L", "P") and id(self) not in seen:  # converting an image loads it again
            seen[id(self)] = self
            count[0] += 1
        return real(self)

    ImageFile.ImageFile.load = load  # type: ignore[method-assign]
    cv2: Any = sys.modules.get("cv2")
    read = None if cv2 is None else cv2.imread

    def imread(*arguments: object, **options: object) -> object:
        count[0] += 1
        return read(*arguments, **options)  # type: ignore[misc]

    if cv2 is not None:
        cv2.imread = imread
    try:
        yield count
    finally:
        ImageFile.ImageFile.load = real  # type: ignore[method-assign]
        if cv2 is not None:
            cv2.imread = read
