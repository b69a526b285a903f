"""A real local Ray cluster: the same bytes as one machine, also when a node is lost in the middle."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

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
