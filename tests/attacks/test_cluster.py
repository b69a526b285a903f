"""Searches on a Ray cluster: the same pixels as one process, also when a node is lost or the command is killed."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from clips import clip, write_folder
from test_kill import command, pixels, pixels_there

from robust_vos_bench import open_dataset
from robust_vos_bench.attacks.cluster import changes, with_changes
from robust_vos_bench.runs.ray.transfer import FileServer, ShippedDataset

CLUSTER = """
import sys, threading, time
from pathlib import Path
from ray.cluster_utils import Cluster
import ray
out, lose, words = Path(sys.argv[1]), sys.argv[2] == "lose", sys.argv[3:]
cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1})
extra = cluster.add_node(num_cpus=1)
ray.init(address=cluster.address, log_to_driver=False)
if lose:
    def pull():
        while not list(out.glob("linf*/.rvos-bench/*.json")):
            time.sleep(0.02)
        cluster.remove_node(extra, allow_graceful=False)
        (out.parent / "lost").touch()
    threading.Thread(target=pull, daemon=True).start()
from robust_vos_bench.cli import main
try:
    main([*words, "--engine", "ray"])
finally:
    ray.shutdown()
    cluster.shutdown()
"""


def test_only_what_changed_travels() -> None:
    clean = list(clip()[0].frames)
    frames = [frame.copy() for frame in clean]
    frames[2][0, 0, 0] ^= 1
    changed = changes(clean, frames)
    assert set(changed) == {2}
    assert all(np.array_equal(a, b) for a, b in zip(with_changes(clean, changed), frames))


def test_a_video_that_was_sent_is_searched_as_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Random numbers come from the names of data set and video, wherever its files lie."""
    monkeypatch.setenv("RVOS_BENCH_CACHE", str(tmp_path / "cache"))
    here = open_dataset("folder", write_folder(tmp_path / "data"))
    other = open_dataset("folder", write_folder(tmp_path / "other", frames=4))  # what the node has under the name
    sent = ShippedDataset(other, {"one": here.fingerprint("one")}, FileServer(here))
    assert (sent.video("one").dataset, sent.video("one").name) == (here.video("one").dataset, "one")
    assert sent.protocol == here.protocol
    assert all(np.array_equal(a, b) for a, b in zip(sent.video("one").frames, here.video("one").frames))


@pytest.mark.slow
@pytest.mark.parametrize("lose", ["keep", "lose"])
def test_two_nodes_find_the_pixels_of_one_process(tmp_path: Path, lose: str) -> None:
    pytest.importorskip("ray", reason="needs the extra: pip install 'rvos-bench[ray]'")
    root, out = write_folder(tmp_path / "data"), tmp_path / "out"
    subprocess.run(command(root, tmp_path / "whole"), check=True, capture_output=True)
    words = command(root, out)[3:]
    done = subprocess.run(
        [sys.executable, "-c", CLUSTER, str(out), lose, *words],
        capture_output=True,
        text=True,
        timeout=400,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert pixels(out) == pixels(tmp_path / "whole") and len(pixels(out)) == 12
    assert (tmp_path / "lost").exists() == (lose == "lose")


@pytest.mark.slow
def test_killed_on_a_cluster_and_gone_on_with_here(tmp_path: Path) -> None:
    pytest.importorskip("ray", reason="needs the extra: pip install 'rvos-bench[ray]'")
    root, out = write_folder(tmp_path / "data"), tmp_path / "out"
    subprocess.run(command(root, tmp_path / "whole"), check=True, capture_output=True)
    started = subprocess.Popen(
        [*command(root, out), "--engine", "ray"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        while started.poll() is None and not any(name.startswith("linf") for name in pixels_there(out)):
            time.sleep(0.05)
    finally:
        started.send_signal(signal.SIGKILL)
        started.wait()
    assert 6 < len(pixels(out)) < 12
    again = subprocess.run(command(root, out), check=True, capture_output=True, text=True)
    assert "0 were there" not in again.stderr
    assert pixels(out) == pixels(tmp_path / "whole")
