"""`robust_vos_bench.score`: J and F of a folder of masks."""

from __future__ import annotations

import itertools
import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from robust_vos_bench.api.prepare import opened
from robust_vos_bench.api.settings import MaskFiles, Names, mask_words, names
from robust_vos_bench.datasets import Dataset
from robust_vos_bench.scoring import tables
from robust_vos_bench.scoring.folder import FolderScorer, slow_hint
from robust_vos_bench.scoring.objects import ObjectScore
from robust_vos_bench.scoring.protocols import Protocol
from robust_vos_bench.scoring.statistics import STATISTICS, global_scores
from robust_vos_bench.system.atomic import make_folder, write_bytes
from robust_vos_bench.system.bars import Bar
from robust_vos_bench.system.cores import available_cores
from robust_vos_bench.system.paths import user_path

if TYPE_CHECKING:
    import pandas as pd

THREADS = 4
"""More do not score faster: reading and unpacking the files is what takes the time."""


@dataclass(frozen=True)
class Scores:
    """The scores of one folder of masks.

    Examples
    --------
    >>> import robust_vos_bench as rvos
    >>> run = rvos.run(model="static", corruption="fog-3", limit=2, save_masks=True, output="kept", progress=False)
    >>> scores = rvos.score("kept/masks/static/clean", dataset="demo", limit=2)
    >>> sorted({one.video for one in scores.objects})
    ['cat', 'coffee']
    """

    objects: list[ObjectScore]
    """In the order of the split."""
    protocol: Protocol
    dataset: str
    seen_categories: frozenset[str] = frozenset()
    hint: str = ""
    """What was left out or read otherwise than it lies there, and what would make the next scoring faster."""

    @property
    def overall(self) -> dict[str, float]:
        """The official global line, in 0..1: "J&F-Mean", "J-Mean", ..., or what the authors of the data set print."""
        rule = self.protocol.rule
        return dict(global_scores(self.objects) if rule is None else rule.overall(self.objects))

    def table(self) -> pd.DataFrame:
        """One row per object: video, object, J-Mean ... F-Decay, in 0..1, every bit kept."""
        import pandas as pd

        rows = [
            {"video": s.video, "object": s.object, "J&F": s.jf}
            | {name: getattr(s, attribute) for name, attribute in STATISTICS.items()}
            | dict(s.extra)
            for s in self.objects
        ]
        extra = () if self.protocol.rule is None else self.protocol.rule.extra
        return pd.DataFrame(rows, columns=["video", "object", "J&F", *STATISTICS, *extra])

    def to_dict(self) -> dict[str, Any]:
        """The document of `rvos-bench score --json`."""
        return tables.as_json(self.objects, self.protocol, self.seen_categories)

    def to_json(self) -> str:
        """The same as text; floats keep every bit, NaN is null."""
        return json.dumps(self.to_dict(), indent=2, allow_nan=False)

    def write_official_csv(self, folder: str | Path) -> None:
        """Write the two CSV files of the official script into `folder`."""
        folder = user_path(folder)
        make_folder(folder)
        split = self.dataset.partition(":")[2] or "val"
        for name, text in tables.official_csv(self.objects, split, self.protocol).items():
            write_bytes(folder / name, text.encode())

    def __str__(self) -> str:
        return tables.as_text(self.objects, self.protocol, self.seen_categories)

    def _repr_html_(self) -> str:
        found: str = self.table().to_html(index=False, float_format="{:.3f}".format)
        overall = ", ".join(f"{name} {value:.3f}" for name, value in self.overall.items())
        return f"<p>{overall}</p>{found}"


class _Watch:
    """How far a scoring is: videos, the ones at work by the share of their frames, and frames per second."""

    def __init__(self) -> None:
        self._shares: dict[str, float] = {}
        self._count = itertools.count(1)  # its steps are atomic: threads share it
        self._frames = 0
        self._start: float | None = None

    def __call__(self, video: str, frame: int, of: int) -> None:
        if self._start is None:
            self._start = time.monotonic()
        self._shares[video] = frame / of
        self._frames = next(self._count)

    def videos(self) -> float:
        """Videos so far."""
        return sum(list(self._shares.values()))

    def words(self) -> str:
        """ "1,234 frames, 410 fps"."""
        if self._start is None:
            return ""
        seconds = max(time.monotonic() - self._start, 0.1)
        return f"{self._frames:,} frames, {self._frames / seconds:.0f} fps"


def score(
    predictions: str | Path,
    *,
    dataset: str | Dataset = "demo",
    data_root: str | Path | None = None,
    mask: MaskFiles = None,
    videos: Names | None = None,
    limit: int | None = None,
    protocol: str | None = None,
    first_frame: bool = False,
    last_frame: bool = True,
    range_end: str | None = None,
    wrap_decay: bool = False,
    workers: int | None = None,
    backend: str = "auto",
    progress: bool = True,
) -> Scores:
    """Score a folder of masks, bit-identical to the official DAVIS tool: `rvos-bench score`, with the same words.

    Parameters
    ----------
    predictions
        Folder of masks, `<video>/<frame>.png`, palette or grey, object ids as in the annotations.
    dataset, data_root, mask, videos, limit
        What they are scored against, as in `run`. Annotations are needed, frames are not.
    protocol
        "davis", "ranges", "sav", "lvos", "vost" or "mosev2"; by default as the data set says.
    first_frame, last_frame, range_end
        For "ranges": also score the frame in which an object is given; score the last annotated frame of an object; up
        to the last frame that shows the "object" (the default) or to the last of the "video".
    wrap_decay
        Decay as the official script computes it beyond 256 frames (it wraps at 8 bits).
    workers
        Videos scored at once; by default the available cores, at most 4.
    backend
        "auto", "numpy" or "numba"; the numbers are the same.
    progress
        Show a bar on stderr.

    Returns
    -------
    Scores
        Per object and overall; `str()` is the table of the command line.

    Raises
    ------
    DataError
        A mask is missing, damaged, of another size, RGB, or holds an id that its video does not have; names the file.

    Examples
    --------
    >>> import robust_vos_bench as rvos
    >>> run = rvos.run(model="static", corruption="fog-3", limit=2, save_masks=True, output="kept", progress=False)
    >>> scores = rvos.score("kept/masks/static/clean", dataset="demo", limit=2)
    >>> 0 < scores.objects[0].j_mean < 1
    True
    """
    data = opened(dataset, data_root, limit, names(videos), mask_words(mask))
    rules = Protocol(
        protocol or data.protocol,
        wrap_decay=wrap_decay,
        first_frame=first_frame,
        last_frame=last_frame,
        range_end=range_end or "object",
    )
    scorer = FolderScorer(data, rules, backend)
    watch = _Watch()
    threads = workers or min(THREADS, available_cores())
    with Bar("scoring", len(data.videos), "videos", not progress, count=watch.videos, extra=watch.words) as bar:
        objects = scorer.score(user_path(predictions), threads, tell=bar.say if progress else None, on_frame=watch)
    hints = [data.part, *data.notes, *scorer.notes, slow_hint(scorer, objects) if backend == "auto" else ""]
    hint = "\n".join(text for text in hints if text)
    return Scores(objects, rules, data.name, data.seen_categories, hint)
