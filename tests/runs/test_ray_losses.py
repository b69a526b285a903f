"""A Ray cluster that loses nodes and its head in the middle of a run, and gets them back."""

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

import pytest

from robust_vos_bench.runs.store import RunStore

MODELS = Path(__file__).with_name("models.py")
Rvos = Callable[..., subprocess.CompletedProcess[str]]

pytest.importorskip("ray", reason="needs the extra: pip install 'rvos-bench[ray]'")
pytestmark = pytest.mark.slow

RETURNS = """
import sys, threading, time
from pathlib import Path
import ray
from ray.cluster_utils import Cluster
clips, out, model, notes = sys.argv[1], Path(sys.argv[2]), sys.argv[3], Path(sys.argv[4])
cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1})
node = cluster.add_node(num_cpus=1)
ray.init(address=cluster.address, log_to_driver=False)
import robust_vos_bench as rvos
class Reporter(rvos.Listener):
    def unit(self, record):
        print("unit", record.condition, record.video, record.status, record.attempts, flush=True)
def work():
    rvos.run(model, "salt_and_pepper,pixelate", severity="1,2,3", dataset="folder", data_root=clips, output=out,
             option={"fps": 1.5, "notes": str(notes)}, engine="ray", progress=Reporter())
    print("ended here", flush=True)
try:
    worker = threading.Thread(target=work)  # nodes are started by the main thread only
    worker.start()
    while not (notes / node.node_id).exists():  # the node that leaves has begun a unit
        time.sleep(0.02)
    cluster.remove_node(node, allow_graceful=False)
    print("left", node.node_id, flush=True)
    print("returned", cluster.add_node(num_cpus=1).node_id, flush=True)
    worker.join()
finally:
    ray.shutdown()
    cluster.shutdown()
"""


def test_a_node_that_leaves_and_returns_gets_work(clips: Path, tmp_path: Path, rvos: Rvos) -> None:
    notes = tmp_path / "notes"
    notes.mkdir()
    model = f"{MODELS}:Notes"
    grid = ["--dataset", "folder", "--data-root", clips, "--corruption", "salt_and_pepper,pixelate", "--severity"]
    options = ["--option", "fps=1.5", "--option", f"notes={notes}"]
    alone = rvos("run", "--model", model, *options, *grid, "1,2,3", "--output", tmp_path / "alone", "--workers", 2)
    assert alone.returncode == 0, alone.stderr
    command = [sys.executable, "-c", RETURNS, str(clips), str(tmp_path / "out"), model, str(notes)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, timeout=400, check=False)
    assert done.returncode == 0, done.stderr
    said = [line.split() for line in done.stdout.splitlines() if line.strip()]
    assert ["ended", "here"] in said, done.stderr
    moved = {words[0]: words[1] for words in said if words[0] in ("left", "returned")}
    units = [tuple(words[1:3]) for words in said if words[0] == "unit"]
    assert len(units) == len(set(units)) == 21, "nothing is lost, nothing counted twice"
    assert all(words[3] == "ok" for words in said if words[0] == "unit")
    assert sorted(words[4] for words in said if words[0] == "unit")[-1] == "2", "one unit was begun on the lost node"
    assert (notes / moved["returned"]).exists(), "the node that came back did units"
    assert (tmp_path / "out" / "scores.csv").read_bytes() == (tmp_path / "alone" / "scores.csv").read_bytes()


class Head:
    """`ray start --head` at one port, which can be killed and started again."""

    def __init__(self, folder: Path, log: Path) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        while 10002 <= self.port <= 19999:  # ports of Ray's workers
            self.port += 10000
        self.folder, self.log = folder, log
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        words = [sys.executable, "-m", "ray.scripts.scripts", "start", "--head", f"--port={self.port}", "--num-cpus=1"]
        words += ["--include-dashboard=false", "--disable-usage-stats", "--block"]
        before = self.log.read_text(errors="replace").count("Ray runtime started") if self.log.exists() else 0
        with self.log.open("ab") as log:
            env = {**os.environ, "OMP_NUM_THREADS": "1"}
            self.process = subprocess.Popen(words, env=env, stdout=log, stderr=log, start_new_session=True)
        for _ in range(900):
            if self.log.read_text(errors="replace").count("Ray runtime started") > before:
                return
            time.sleep(0.1)
        pytest.fail(self.log.read_text(errors="replace")[-2000:])

    def kill(self) -> None:
        """SIGKILL to everything that belongs to it."""
        if self.process is None:
            return
        for entry in Path("/proc").iterdir():
            with contextlib.suppress(OSError, ValueError):
                if int((entry / "stat").read_text().rpartition(")")[2].split()[3]) == self.process.pid:  # its session
                    os.kill(int(entry.name), signal.SIGKILL)
        self.process.wait(20)
        self.process = None


@pytest.fixture
def head(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Head]:
    if not Path("/proc/self/stat").exists():
        pytest.skip("finds the processes of a head through /proc")
    short = tempfile.mkdtemp(prefix="rv-")  # Ray's sockets lie in it, and their names must be short
    monkeypatch.setenv("RAY_TMPDIR", short)
    monkeypatch.setenv("RAY_AUTH_MODE", "disabled")
    head = Head(Path(short), tmp_path / "ray.log")
    head.start()
    yield head
    head.kill()
    shutil.rmtree(short, ignore_errors=True)


IMPATIENT = """
import sys
from robust_vos_bench.cli import main
from robust_vos_bench.runs.ray import cluster
cluster.RETURN_SECONDS = float(sys.argv[1])
main(sys.argv[2:])
"""


@pytest.mark.parametrize(
    ("comes_back", "patience"),
    [(True, 4), (True, 40), (False, 4)],  # noticed by its silence; by another head in its place; never back
)
def test_a_head_that_is_lost(
    clips: Path, tmp_path: Path, rvos: Rvos, head: Head, comes_back: bool, patience: int
) -> None:
    out = tmp_path / "out"
    grid = ["run", "--model", f"{MODELS}:Sleeps", "--option", "fps=4", "--dataset", "folder", "--data-root", str(clips)]
    grid += ["--corruption", "salt_and_pepper,pixelate", "--severity", "3", "--output", str(out)]
    cluster = ["--engine", "ray", "--ray-address", f"127.0.0.1:{head.port}", "--ray-wait", "90" if comes_back else "3"]
    running = subprocess.Popen(
        [sys.executable, "-c", IMPATIENT, str(patience), *grid, *cluster],
        cwd=tmp_path,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    while running.poll() is None and not list(out.glob("cells/*/*.jsonl")):
        time.sleep(0.05)
    head.kill()
    if comes_back:
        time.sleep(3)  # replaced between two looks of the driver, a second apart, Ray itself would end it
        head.start()
    _, stderr = running.communicate(timeout=200)
    assert "the connection to the Ray cluster is lost" in stderr
    before = {path: path.read_text().splitlines() for path in out.glob("cells/*/*.jsonl")}
    manifest = RunStore(out).manifest()
    assert manifest is not None
    if comes_back:
        assert running.returncode == 0, stderr
        assert manifest.units.ok == 9 and len(manifest.invocations) == 1
    else:
        assert running.returncode == 3, stderr
        assert "was lost and not back within 3 s. Finished units are kept" in stderr and "Traceback" not in stderr
        assert manifest.status == "partial" and 0 < manifest.units.ok < 9
    again = rvos(*grid, "--workers", 2)
    assert again.returncode == 0, again.stderr
    for path, lines in before.items():
        assert path.read_text().splitlines()[: len(lines)] == lines, "what was finished is not run again"
    alone = rvos(*grid[:-1], tmp_path / "alone", "--workers", 2)
    assert alone.returncode == 0, alone.stderr
    assert (out / "scores.csv").read_bytes() == (tmp_path / "alone" / "scores.csv").read_bytes()
