"""Runs that are larger than memory: cells are read one by one, and nothing that is written or shown depends on it."""

from __future__ import annotations

import csv
import io
import json
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import robust_vos_bench as rvos
from robust_vos_bench.conditions import CLEAN, select
from robust_vos_bench.datasets import open_dataset
from robust_vos_bench.runs import cells
from robust_vos_bench.runs.build import build_model, build_plan
from robust_vos_bench.runs.cells import StoredCells
from robust_vos_bench.runs.plan import Plan
from robust_vos_bench.runs.records import ObjectRecord, UnitRecord, digest
from robust_vos_bench.runs.state import RunState
from robust_vos_bench.runs.store import SCORE_COLUMNS, RunStore
from robust_vos_bench.runs.work import worker

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"


@pytest.fixture
def plan(clips: Path) -> Plan:
    """Two models, three conditions, three videos."""
    conditions, info = select(["fog"], [1, 3])
    models = [build_model("static"), build_model("static", label="again")]
    return build_plan(models, open_dataset("folder", clips), conditions, info)


def record(plan: Plan, model: int, label: int, video: str, status: str = "ok", key: str = "") -> UnitRecord:
    """A record of a unit of the plan."""
    condition = plan.conditions[label]
    objects = (ObjectRecord(1, 4, 0.1 * model + 0.3, 1.0, -0.25, 0.1 + 0.2, 0.5, 1 / 3),) if status == "ok" else ()
    return UnitRecord(
        key or plan.key(model, condition, video),
        plan.models[model].record.name,
        condition.label,
        video,
        status,
        objects,
    )


@pytest.fixture
def store(plan: Plan, tmp_path: Path) -> RunStore:
    """A run directory in which some units are done, one failed, one is of an older version and some are absent."""
    store = RunStore(tmp_path / "run")
    for model in (0, 1):
        for label in (0, 1, 2):
            store.add(record(plan, model, label, "a"))
    store.add(record(plan, 0, 1, "b", "failed"))
    store.add(record(plan, 1, 2, "c", key="0" * 24))
    store.add(record(plan, 0, 0, "c", "failed"))
    store.add(record(plan, 0, 0, "c"))
    return store


def test_a_key_is_the_digest_of_all_that_decides_the_scores(plan: Plan) -> None:
    for model, spec in enumerate(plan.models):
        for condition in plan.conditions:
            for video, key in zip(plan.videos, plan.keys(model, condition), strict=True):
                facts = {
                    "model": spec.record.identity,
                    "adapter": spec.record.adapter_version,
                    "options": dict(spec.record.options),
                    "weights": spec.record.weights_sha256,
                    "data": plan.fingerprints[video],
                    "dataset": plan.dataset.name,
                    "condition": condition.to_dict(),
                    "corruption": plan.condition_fingerprints[condition.label],
                    "protocol": [plan.protocol, plan.protocol_version],
                }
                assert key == digest(facts)[:24] == plan.key(model, condition, video)


def test_a_plan_whose_keys_have_been_asked_for_is_sent_to_workers(plan: Plan) -> None:
    key = plan.key(1, CLEAN, "b")
    sent = pickle.loads(pickle.dumps(plan))
    assert sent.models == plan.models and sent.key(1, CLEAN, "b") == key


@pytest.mark.parametrize("kept", [0, 2, 1000])
def test_cells_are_the_same_however_many_records_are_kept(plan: Plan, store: RunStore, kept: int) -> None:
    places = [(spec.record.name, c.label) for spec in plan.models for c in plan.conditions]
    found = StoredCells(store, places, kept)
    for _ in range(2):
        for name, label in places:
            assert found[name, label] == store.records(label, name)
    assert sum(map(len, found._kept.values())) <= max(kept, 2)
    with pytest.raises(KeyError):
        found["static", "blur-1"]
    assert found.get(("other", "clean")) is None


@pytest.mark.parametrize("kept", [0, 1000])
def test_what_is_written_and_what_is_supposed_is_seen(plan: Plan, store: RunStore, kept: int) -> None:
    found = StoredCells(store, [("static", "clean"), ("again", "clean")], kept)
    assert "b" not in found["static", "clean"]
    new = record(plan, 0, 0, "b")
    store.add(new)
    found.wrote(new)
    assert found["static", "clean"]["b"] == new
    stale = record(plan, 0, 0, "a", "stale")
    found.supposes(stale)
    assert found["again", "clean"]["a"].ok and found["static", "clean"]["a"] == stale
    assert store.records("clean", "static")["a"].ok


@pytest.mark.parametrize("overwrite", ["missing", "always", "never"])
def test_a_state_knows_the_same_of_a_run_that_is_larger_than_memory(
    plan: Plan, store: RunStore, overwrite: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = RunState(plan, store, overwrite)
    monkeypatch.setattr(cells, "KEPT", 0)
    state = RunState(plan, store, overwrite)
    units = list(plan.units())
    done = {(m, c, "a") for m in (0, 1) for c in plan.conditions} | {(0, CLEAN, "c")}
    wanted = {"missing": [u for u in units if tuple(u) not in done], "always": units, "never": []}[overwrite]
    for one in (whole, state):
        assert one.pending == wanted  # in the order of the plan
        assert one.counts().ok == 7 and one.counts().failed == 1 and one.counts().pending == 10
        assert [(u.model, u.condition.label, u.video) for u, _ in one.outdated()] == [(1, "fog-3-drift", "c")]
        assert one.stale == (overwrite != "never")
        assert one.done == (7 if overwrite != "always" else 0)
    assert list(state.scored()) == list(whole.scored()) and len(list(state.scored())) == 7


def test_units_that_are_taken_over_are_no_longer_pending(plan: Plan, store: RunStore) -> None:
    state = RunState(plan, store)
    before = state.pending
    taken = [record(plan, 0, 0, "b"), record(plan, 0, 0, "a")]  # the second is done already
    store.add_all("static", "clean", taken)
    state.take_over(taken)
    assert [u for u in before if u not in state.pending] == [u for u in before if tuple(u) == (0, CLEAN, "b")]
    assert (state.done, state.reused) == (8, 1)
    assert state.counts().ok == 8


def test_scores_csv_has_the_bytes_of_a_plain_csv_writer(tmp_path: Path) -> None:
    values = [0.1 + 0.2, 1 / 3, float("nan"), 0.0, -0.25, 1e-17]
    names = ["plain", "with, comma", 'with "quotes"', "ä"]
    rows = [
        {**dict.fromkeys(SCORE_COLUMNS, values[i % 6]), "model": names[i % 4], "video": f"v{i}", "object": i}
        for i in range(9000)  # more than are written at a time
    ]
    text = io.StringIO()
    writer = csv.DictWriter(text, SCORE_COLUMNS, lineterminator="\n")
    writer.writeheader()
    for row in rows:
        writer.writerow({k: repr(v) if isinstance(v, float) else v for k, v in row.items()})
    store = RunStore(tmp_path)
    store.write_scores([row[name] for name in SCORE_COLUMNS] for row in rows)
    assert store.scores_path.read_bytes() == text.getvalue().encode()


def test_scores_that_cannot_be_made_leave_the_old_file(tmp_path: Path) -> None:
    store = RunStore(tmp_path)
    store.scores_path.write_text("old")

    def rows() -> object:
        yield [""] * len(SCORE_COLUMNS)
        raise ValueError("damaged")

    with pytest.raises(ValueError, match="damaged"):
        store.write_scores(rows())  # type: ignore[arg-type]
    assert store.scores_path.read_text() == "old" and len(list(tmp_path.iterdir())) == 1


def test_tables_pages_and_files_are_the_same_for_a_run_larger_than_memory(
    clips: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def made(name: str) -> tuple[object, ...]:
        words = {"model": ["static", "flow"], "corruption": "fog", "severity": [1, 3], "dataset": "folder"}
        out = tmp_path / name
        run = rvos.run(**words, data_root=clips, workers=1, output=out, progress=False)  # type: ignore[arg-type]
        again = rvos.load_run(out)
        resumed = rvos.run(**words, data_root=clips, workers=1, output=out, progress=False)  # type: ignore[arg-type]
        for one in (run, again, resumed):
            np.testing.assert_array_equal(one.matrix.j, run.matrix.j)
            assert one.tally.failures == {} and one.tally.costs["flow"].frames == 3 * (6 + 5 + 7)
            assert sum(one.tally.invocations["flow"].values()) == 9
        return (out / "scores.csv").read_bytes(), str(run.table()), run.matrix.objects, run.robustness.frame().to_csv()

    monkeypatch.setenv("RVOS_BENCH_REUSE", "0")
    whole = made("whole")
    monkeypatch.setattr(cells, "KEPT", 1)
    assert made("piecemeal") == whole


@pytest.mark.parametrize(("most", "kept"), [(0, 1), (1 << 30, 3)])
def test_packed_truths_of_all_videos_share_a_budget(
    plan: Plan, tmp_path: Path, most: int, kept: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker, "TRUTH_BYTES", most)
    working = worker.Worker(plan, "cpu", tmp_path / "out")
    scored = [unit for group in plan.groups(list(plan.units())) for unit in working.run(group)]
    assert [unit.record.status for unit in scored] == ["ok"] * 18
    assert len(working._truths) == kept


@pytest.mark.slow
def test_a_run_of_sixty_thousand_units_takes_seconds_and_little_memory(tmp_path: Path) -> None:
    """Measured in CPU seconds and MiB of the whole process, start included; the limits leave room for slow machines."""
    script = (
        "import json, sys; sys.path.insert(0, sys.argv[1]); from pathlib import Path; import large_run; "
        "found = large_run.measure(Path(sys.argv[2]), 4, 200, 8, '')[1]; "
        "print(json.dumps({k: [c.cpu, c.peak_mib] for k, c in found.items()}))"
    )
    words = [sys.executable, "-c", script, str(BENCHMARKS), str(tmp_path)]
    done = subprocess.run(words, capture_output=True, text=True, check=True, timeout=900)
    found = json.loads(done.stdout.splitlines()[-1])
    for name, (cpu, mib) in found.items():
        seconds, most = (60, 600) if name == "`leaderboard`" else (15, 500)
        assert cpu < seconds and mib < most, (name, cpu, mib)
