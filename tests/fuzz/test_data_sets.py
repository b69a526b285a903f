"""verify, run, score, corrupt and pack agree on any data set, sound or damaged.

`RVOS_BENCH_FUZZ_SECONDS` (default 20) says for how long, `RVOS_BENCH_FUZZ_SEED` with which seed to begin. Seeds are
printed.
"""

from __future__ import annotations

import contextlib
import math
import os
import secrets
import tempfile
import time
import zipfile
from pathlib import Path

import hypothesis
import pytest
from fuzz.made_data import MadeData, build, data_sets
from hypothesis import HealthCheck, given, settings

from robust_vos_bench.conditions import CLEAN, Condition, PresetInfo
from robust_vos_bench.corrupted.split import write_splits
from robust_vos_bench.datasets import open_dataset
from robust_vos_bench.datasets.layout import FolderDataset
from robust_vos_bench.datasets.verify import verify
from robust_vos_bench.errors import IncompleteError, RvosError
from robust_vos_bench.reports.pack import pack
from robust_vos_bench.runs.build import build_model, build_plan
from robust_vos_bench.runs.run import run_plan
from robust_vos_bench.runs.store import RunStore
from robust_vos_bench.runs.work.worker import object_record
from robust_vos_bench.scoring.folder import FolderScorer

SECONDS = float(os.environ.get("RVOS_BENCH_FUZZ_SECONDS", "20"))
BATCH = 40
"""Examples per seed."""
DARKER = Condition("brightness", 1)


@pytest.mark.timeout(0)
@pytest.mark.filterwarnings("ignore::hypothesis.errors.NonInteractiveExampleWarning")
def test_every_verb_agrees(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("RVOS_BENCH_CACHE", str(tmp_path / "cache"))
    seed = int(os.environ.get("RVOS_BENCH_FUZZ_SEED") or secrets.randbelow(2**31))
    end, count = time.monotonic() + SECONDS, [0, 0]
    found: list[BaseException] = []

    def example(data: MadeData) -> None:
        if time.monotonic() < end or found:
            count[0] += 1
            try:
                count[1] += hold_together(data)
            except BaseException as error:
                found.append(error)  # from here on time does not matter: it is made smaller
                raise

    while time.monotonic() < end:
        with capsys.disabled():
            print(f"fuzz data sets: seed {seed}", flush=True)
        checked = settings(
            max_examples=BATCH,
            deadline=None,
            database=None,
            print_blob=True,
            suppress_health_check=list(HealthCheck),
        )(given(data_sets())(example))
        hypothesis.seed(seed)(checked)()
        seed += 1
    with capsys.disabled():
        print(f"fuzz data sets: {count[0]} data sets, {count[1]} of them sound")
    assert count[0]


def hold_together(made: MadeData) -> bool:
    """Build a data set and hold the verbs to one another; whether it was sound."""
    with tempfile.TemporaryDirectory(prefix="rvos-fuzz-") as folder:
        root = Path(folder) / "data"
        root.mkdir()
        build(made, root)
        try:
            data = open_dataset(made.spec, root)
            names = list(data.videos)
        except RvosError as error:
            assert error.exit_code == 4 and str(root) in str(error), error
            return False
        assert isinstance(data, FolderDataset)
        return _held(made, data, names, root, Path(folder))


def _held(made: MadeData, data: FolderDataset, names: list[str], root: Path, folder: Path) -> bool:
    found = verify(data, complete=False)
    for problem in (*found.problems, *found.warnings):
        assert problem.file.startswith(str(root)) and problem.what, problem
    # One worker on the CPU runs in this process.
    plan = build_plan([build_model("static")], data, [], PresetInfo("fuzz", 1, ""), save_masks=True)
    run_plan(plan, folder / "run", ["cpu"])
    store = RunStore(folder / "run")
    records = store.records(CLEAN.label, "static")
    assert set(records) == set(names)
    failed = {name: record for name, record in records.items() if not record.ok}
    for name, record in failed.items():
        assert record.error_code == 4 and str(root) in record.error, (name, record.error)
        assert found.problems, f"run refuses {name!r} ({record.error}), verify finds nothing"
    if found.ok:
        assert not failed
    elif not _only_unread(made, found.problems):
        assert failed, f"verify finds {found.problems}, run finds nothing"
    _score(data, records, store.masks_path(CLEAN.label, "static", names[0]).parent, failed)
    _corrupt(made, data, set(failed), records, store, folder)
    with contextlib.suppress(IncompleteError) if failed else contextlib.nullcontext():
        path = pack(folder / "run", masks=CLEAN.label, layout="annotations", output=folder / "masks.zip")
        with zipfile.ZipFile(path) as archive:
            assert sum(name.endswith(".png") for name in archive.namelist()) == sum(r.frames for r in records.values())
        assert not failed
    return found.ok


def _only_unread(made: MadeData, problems: list) -> bool:
    """Whether verify looks at more than a run needs: annotations of DAVIS that do not count (the last; ids that come
    later), what meta.json says of objects, and masks of void alone."""
    if all("(void)" in p.what for p in problems):
        return True
    if made.spec.startswith("davis"):
        lasts = {f"{v.name}/{s}.png" for v in made.videos for s in v.stems[-2:]}
        return all(any(p.file.endswith(last) for last in lasts) or "void" in p.what for p in problems) or all(
            "/Annotations/" in p.file for p in problems
        )
    return made.spec.startswith("youtube") and all("/Annotations/" in p.file or "meta.json" in p.file for p in problems)


def _score(data: FolderDataset, records: dict, masks: Path, failed: dict) -> None:
    """`score` of the saved masks gives the numbers of the run to the last bit, and refuses what the run refuses."""
    good = [name for name in records if name not in failed]
    if failed:
        with contextlib.suppress(RvosError):
            FolderScorer(data).score(masks)
    scored = [name for name in data.videos if name in good and records[name].objects]
    if not scored:
        return
    result = FolderScorer(data.with_videos(good)).score(masks)
    expected = [(name, entry) for name in scored for entry in records[name].objects]
    assert [(score.video, object_record(score)) for score in result] == expected


def _corrupt(
    made: MadeData, data: FolderDataset, failed: set[str], records: dict, store: RunStore, folder: Path
) -> None:
    """The corrupted copy is sound where the data is, and the same masks have the same scores on it."""
    written = {one.task.video: one for one in write_splits(data, [DARKER], folder / "copy")}
    assert set(written) == set(records)
    for name, one in written.items():
        if one.error is not None:
            assert name in failed, (name, one.error)
            assert one.error.exit_code == 4
    if failed:
        return
    copy = open_dataset(made.spec, folder / "copy" / DARKER.label)
    assert isinstance(copy, FolderDataset)
    assert list(copy.videos) == list(data.videos)
    assert [p for p in verify(copy, complete=False).problems if "/JPEGImages/" in p.file] == []
    masks = store.masks_path(CLEAN.label, "static", data.videos[0]).parent
    scored = [(name, entry) for name in data.videos for entry in records[name].objects]
    if scored:
        result = FolderScorer(copy).score(masks)
        assert [(score.video, object_record(score)) for score in result] == scored
    assert not any(math.isnan(entry.j_mean) for _, entry in scored if entry.j_mean is not None)
