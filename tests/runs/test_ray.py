"""A real local Ray cluster: the same bytes as one machine, also when a node is lost in the middle."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from robust_vos_bench.runs.store import RunStore

MODELS = Path(__file__).with_name("models.py")
Rvos = Callable[..., subprocess.CompletedProcess[str]]

pytest.importorskip("ray", reason="needs the extra: pip install 'rvos-bench[ray]'")
pytestmark = pytest.mark.slow

CLUSTER = """
import sys, threading, time
from pathlib import Path
from ray.cluster_utils import Cluster
import ray
clips, out, lose = sys.argv[1], Path(sys.argv[2]), sys.argv[3] == "lose"
cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1})
extra = [cluster.add_node(num_cpus=1) for _ in range(3)]
ray.init(address=cluster.address, log_to_driver=False)
if lose:
    def pull():
        while not list(out.glob("cells/*/*.jsonl")):
            time.sleep(0.02)
        cluster.remove_node(extra[0], allow_graceful=False)
        Path(out, "lost").touch()
    threading.Thread(target=pull, daemon=True).start()
from robust_vos_bench.cli import main
try:
    main(["run", "--model", sys.argv[4], "--dataset", "folder", "--data-root", clips, "--corruption",
          "salt_and_pepper,pixelate", "--severity", "3", "--output", str(out), "--engine", "ray"])
finally:
    ray.shutdown()
    cluster.shutdown()
"""


def on_cluster(clips: Path, out: Path, cwd: Path, model: str, lose: str = "keep") -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", CLUSTER, str(clips), str(out), lose, f"{MODELS}:{model}"]
    return subprocess.run(command, capture_output=True, text=True, cwd=cwd, timeout=400, check=False)


def test_four_nodes_give_the_bytes_of_one_process(clips: Path, tmp_path: Path, rvos: Rvos) -> None:
    grid = ["--dataset", "folder", "--data-root", clips, "--corruption", "salt_and_pepper,pixelate", "--severity", 3]
    alone = rvos("run", "--model", f"{MODELS}:Slow", *grid, "--output", tmp_path / "alone", "--workers", 1)
    assert alone.returncode == 0
    for lose in ("keep", "lose"):
        out = tmp_path / lose
        done = on_cluster(clips, out, tmp_path, "Slow", lose)
        assert done.returncode == 0, done.stderr
        assert (out / "scores.csv").read_bytes() == (tmp_path / "alone" / "scores.csv").read_bytes()
    assert (tmp_path / "lose" / "lost").exists()


def test_a_unit_that_kills_its_process_is_a_failed_cell(clips: Path, tmp_path: Path) -> None:
    done = on_cluster(clips, tmp_path / "out", tmp_path, "Dies")
    assert done.returncode == 3, done.stderr
    assert "lost 3 times" in done.stderr


@pytest.fixture
def blind_cluster(clips: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A head that sees the clips and a node on which an empty folder lies over them; yields its address."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    ray = [sys.executable, "-m", "ray.scripts.scripts", "start", "--num-cpus=1", "--block", "--disable-usage-stats"]
    head = [*ray, "--head", f"--port={port}", "--include-dashboard=false"]
    node = [*ray, f"--address=127.0.0.1:{port}"]
    blind = ["unshare", "--mount", "sh", "-c", 'mount -t tmpfs tmpfs "$0" && exec "$@"', str(clips)]
    if subprocess.run([*blind, "true"], capture_output=True, check=False).returncode:
        pytest.skip("hiding a folder from a process needs privileges that are not given here")
    started = []
    short = tempfile.mkdtemp(prefix="rv-")  # Ray's sockets lie in it, and their names must be short
    monkeypatch.setenv("RAY_TMPDIR", short)
    monkeypatch.setenv("RAY_AUTH_MODE", "disabled")
    with (tmp_path / "ray.log").open("wb") as log:
        try:
            for number, words in enumerate((head, [*blind, *node])):
                env = {**os.environ, "RVOS_BENCH_CACHE": str(tmp_path / f"cache{number}"), "OMP_NUM_THREADS": "1"}
                process = subprocess.Popen(words, env=env, stdout=log, stderr=log, start_new_session=True)
                started.append(process)
                wait_for_start(tmp_path / "ray.log", number + 1)
            yield f"127.0.0.1:{port}"
        finally:
            for process in reversed(started):
                process.terminate()
            for process in started:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(20)
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
            shutil.rmtree(short, ignore_errors=True)


def wait_for_start(log: Path, count: int) -> None:
    for _ in range(900):
        if log.read_text(errors="replace").count("Ray runtime started") >= count:
            return
        time.sleep(0.1)
    pytest.fail(log.read_text(errors="replace")[-2000:])


def test_nodes_that_do_not_see_the_data_get_it(blind_cluster: str, clips: Path, tmp_path: Path, rvos: Rvos) -> None:
    grid = ["--model", f"{MODELS}:Sleeps", "--option", "fps=8", "--dataset", "folder", "--data-root", clips]
    grid += ["--corruption", "salt_and_pepper,pixelate", "--severity", 3]
    alone = rvos("run", *grid, "--output", tmp_path / "alone", "--workers", 2)
    assert alone.returncode == 0, alone.stderr
    cluster = ["--engine", "ray", "--ray-address", blind_cluster]
    refused = rvos("run", *grid, *cluster, "--output", tmp_path / "refused", "--ship-data", "never")
    assert refused.returncode == 4 and refused.stderr.count("cannot read the data") == 1, refused.stderr
    done = rvos("run", *grid, *cluster, "--output", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "out" / "scores.csv").read_bytes() == (tmp_path / "alone" / "scores.csv").read_bytes()
    # The blind node worked too, on whole videos under the hash of their bytes.
    shipped = [p for p in (tmp_path / "cache1" / "shipped").iterdir() if not p.name.startswith(".")]
    assert shipped and all(len(p.name) == 64 and (p / "JPEGImages").is_dir() for p in shipped)
    assert not (tmp_path / "cache0" / "shipped").exists()
    subset = tmp_path / "masks"
    masks = rvos("run", *grid, *cluster, "--output", subset, "--save-masks")
    assert masks.returncode == 0, masks.stderr  # all nodes see the run directory here
    assert len(list(subset.glob("masks/*/*/*/*.png"))) == 3 * 18


@pytest.mark.parametrize("presses", [1, 2])
def test_ctrl_c(clips: Path, tmp_path: Path, rvos: Rvos, launch: Callable[..., Any], presses: int) -> None:
    fps, notes = "fps=4" if presses == 1 else "fps=0.1", tmp_path / "notes"
    notes.mkdir()
    grid = ["--model", f"{MODELS}:Notes", "--option", fps, "--option", f"notes={notes}"]
    grid += ["--dataset", "folder", "--data-root", clips]
    grid += ["--corruption", "salt_and_pepper,pixelate", "--severity", 3]
    out = tmp_path / "out"
    running = launch("run", *grid, "--output", out, "--engine", "ray")
    while running.poll() is None and not (list(out.glob("cells/*/*.jsonl")) if presses == 1 else list(notes.iterdir())):
        time.sleep(0.05)
    start = time.monotonic()
    for _ in range(presses):
        os.killpg(running.pid, signal.SIGINT)  # a terminal sends it to every process
        time.sleep(3)  # two signals before Python looks at the first are one
    _, stderr = running.communicate(timeout=100)
    assert running.returncode == 130, stderr
    manifest = RunStore(out).manifest()
    assert manifest is not None and manifest.status == "interrupted" and manifest.units.failed == 0
    if presses == 1:
        assert 0 < manifest.units.ok <= 4  # two at a time: what waited on the cluster was taken back
        assert rvos("run", *grid, "--output", out, "--workers", 2).returncode == 0
    else:
        assert time.monotonic() - start < 25, stderr  # a video takes a minute
        assert manifest.units.ok == 0


def test_a_driver_that_leaves_leaves_its_environment(clips: Path, tmp_path: Path) -> None:
    program = (
        "import os, sys; from robust_vos_bench.runs.ray.engine import RayEngine; import ray\n"
        "before = dict(os.environ); engine = RayEngine(); engine.ready(); engine.close()\n"
        "changed = {k for k in before.keys() | os.environ.keys() if before.get(k) != os.environ.get(k)}\n"
        "assert 'RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO' not in os.environ and not ray.is_initialized(), changed\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=tmp_path, timeout=120)
    assert done.returncode == 0, done.stderr


def test_the_traceback_of_a_lane_reaches_the_log_and_the_screen(clips: Path, tmp_path: Path, rvos: Rvos) -> None:
    grid = ["--dataset", "folder", "--data-root", clips, "--corruption", "pixelate", "--severity", 3]
    done = rvos("run", "--model", f"{MODELS}:Raises", *grid, "--engine", "ray", "--output", tmp_path / "out", "--debug")
    assert done.returncode == 3, done.stderr
    log = (tmp_path / "out" / "log.jsonl").read_text()
    assert log.count("Traceback") >= 2 and "cannot see anything" in log and "models.py" in log
    assert done.stderr.count("The above exception was the direct cause") == 1, "said once"


def test_a_lane_tells_how_far_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    from robust_vos_bench.runs.ray.board import Board, RemotePulse

    class Handle:
        """An actor's handle, without the actor."""

        def __init__(self, board: Board) -> None:
            self.told = 0
            self.tell, self._board = self, board

        def remote(self, *words: Any) -> None:
            self.told += 1
            self._board.tell(*words)

    board = Board()
    handle = Handle(board)
    pulse = RemotePulse(handle)
    pulse.says("m · clean · a")
    for t in range(1, 500):
        pulse.frame(t)
    assert handle.told == 1, "one message a second"
    pulse.frame(0)
    assert handle.told == 2 and board.read() == [(0, "m · clean · a")]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--device", "cuda"), "no node of the cluster has a GPU"),
        (("--device", "cuda:7"), "Ray chooses the GPU"),
        (("--device", "cuda:0,cuda:1"), "Ray chooses the GPU"),
        (("--device", "cuda:0,cpu"), "stands alone"),
        (("--device", "cpu", "--ray-gpus", "1"), "leave one of them out"),
        (("--device", "cuda", "--ray-gpus", "0"), "leave one of them out"),
        (("--ray-gpus", "0.5"), "see --ray-gpus"),
    ],
)
def test_devices_that_a_cluster_does_not_have(
    clips: Path, tmp_path: Path, rvos: Rvos, words: tuple[str, ...], said: str
) -> None:
    grid = ["--dataset", "folder", "--data-root", clips, "--corruption", "clean", "--output", tmp_path / "out"]
    done = rvos(
        "run", "--model", f"{MODELS}:Repeat", *grid, "--engine", "ray", *words, env={"CUDA_VISIBLE_DEVICES": ""}
    )
    assert done.returncode == 2 and said in done.stderr, done.stderr
    assert "Traceback" not in done.stderr and not list((tmp_path / "out").glob("cells/*/*"))


def test_a_ruined_gpu_context_costs_one_unit(clips: Path, tmp_path: Path, rvos: Rvos) -> None:
    """Every later call of such a process fails: it leaves, and other processes do its groups."""
    model, other = f"{MODELS}:Ruins", f"{MODELS}:Repeat"
    grid = ["--dataset", "folder", "--data-root", clips, "--corruption", "clean,pixelate", "--severity", 3]
    done = rvos("run", "--model", f"{model},{other}", *grid, "--engine", "ray", "--output", tmp_path / "out")
    assert done.returncode == 3, done.stderr
    store = RunStore(tmp_path / "out")
    for condition in ("clean", "pixelate-3"):
        records = {m: store.records(condition, m) for m in ("ruins", "repeat")}
        assert {v: r.status for v, r in records["ruins"].items()} == {"a": "ok", "b": "failed", "c": "ok"}
        assert {v: (r.status, r.attempts) for v, r in records["repeat"].items()} == dict.fromkeys("abc", ("ok", 1))
        failed = records["ruins"]["b"]
        assert "device-side assert triggered" in failed.error and failed.attempts == 1


def test_a_lane_makes_the_frames_of_the_next_group_ahead(clips: Path, tmp_path: Path) -> None:
    """While the first unit of a group is worked on, producers have what follows."""
    from robust_vos_bench.conditions import CLEAN
    from robust_vos_bench.conditions.presets import PresetInfo
    from robust_vos_bench.datasets import open_dataset
    from robust_vos_bench.runs.build import build_model, build_plan
    from robust_vos_bench.runs.plan import Group
    from robust_vos_bench.runs.ray.lanes import LaneBody
    from robust_vos_bench.runs.ray.nodes import Need

    plan = build_plan([build_model("static")], open_dataset("folder", clips), [], PresetInfo("custom", 0, "", ()))
    groups = [Group(CLEAN, video, (0,)) for video in "abc"]
    lane = LaneBody(plan, Need(2, 0.0, 1), str(tmp_path / "out"), None, SimpleNamespace())
    prefetcher = lane._worker.prefetcher
    assert prefetcher is not None
    try:
        begun = lane.run(groups[0], groups[1:])
        assert next(begun)[0].record.ok
        ahead = prefetcher.frames(groups[1])
        assert ahead.jobs and ahead.jobs[-1][1].result(60) > 0, "made while nobody has asked for them"
        assert ahead.clip.ready(0) and list(begun) == []
        assert [group for group, _ in prefetcher._clips] == groups[1:]
        (scored, ruined), *more = lane.run(groups[1], ())
        assert scored.record.ok and not ruined and not more
        assert not prefetcher._clips, "what goes to another lane after all takes no room here"
    finally:
        lane.close()


def test_a_gpu_that_is_gone_from_the_last_node_ends_the_run(clips: Path, tmp_path: Path) -> None:
    """Ray offers a GPU that the node's processes do not find."""
    program = (
        "import sys, ray; ray.init(num_cpus=1, num_gpus=1, include_dashboard=False, log_to_driver=False)\n"
        "from robust_vos_bench.cli import main; main(sys.argv[1:])"
    )
    grid = [
        "run",
        "--model",
        f"{MODELS}:Repeat",
        "--dataset",
        "folder",
        "--data-root",
        str(clips),
        "--corruption",
        "clean",
    ]
    words = [*grid, "--engine", "ray", "--device", "cuda", "--output", str(tmp_path / "out")]
    env = {**os.environ, "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": "99"}
    command = [sys.executable, "-c", program, *words]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, env=env, timeout=200, check=False)
    assert done.returncode == 3, done.stderr
    assert "is left out: cuda was there when the run began and is gone" in done.stderr
    assert "Finished units are kept" in done.stderr and "Traceback" not in done.stderr
