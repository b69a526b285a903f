"""What a task on a cluster asks for: shares of GPUs by the models' cards, CPUs for making frames."""

from __future__ import annotations

import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from robust_vos_bench.errors import UsageError
from robust_vos_bench.models import ModelCard
from robust_vos_bench.models.card import ModelEntry
from robust_vos_bench.runs.ray import nodes
from robust_vos_bench.runs.ray.nodes import Need, gpu_share, slots, task_need

GIB: dict[str, float | None] = {"small": 3.0, "big": 30.0, "silent": None}


@pytest.fixture(autouse=True)
def cards(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        nodes, "find_entry", lambda name: ModelEntry(ModelCard(name, gpu_gib=GIB[name]), "nowhere:Nothing")
    )


def test_a_node_without_the_data_is_told_from_one_with_other_data(clips: Path, tmp_path: Path) -> None:
    from robust_vos_bench.datasets import open_dataset
    from robust_vos_bench.version import __version__

    data = open_dataset("folder", clips)
    made: Any = SimpleNamespace(
        dataset=data,
        videos=data.videos,
        fingerprints={video: data.fingerprint(video) for video in data.videos},
        save_masks=False,
        profile=False,
    )

    def ask(version: str = __version__) -> tuple[str, str]:
        report = nodes.inspect_node(made, version, str(tmp_path / "out"))
        return report["wrong"], report["data"]

    assert ask() == ("", "")
    assert "the driver 0.0.0" in ask("0.0.0")[0]
    made.save_masks = True
    assert "does not see the run directory" in ask()[0]
    made.save_masks = False
    frame = clips / "JPEGImages" / "a" / "00002.png"
    frame.write_bytes((clips / "JPEGImages" / "a" / "00003.png").read_bytes())
    wrong, lacks = ask()
    assert "other data for video 'a'" in wrong and not lacks
    shutil.rmtree(clips)
    wrong, lacks = ask()
    assert not wrong and "cannot read the data" in lacks


def plan(*names: str) -> Any:
    return SimpleNamespace(models=[SimpleNamespace(name=name) for name in names])


@pytest.mark.parametrize(
    ("names", "gib", "share"),
    [
        (("small",), 24.0, 0.1428),  # 7 x 3 GiB in 0.9 x 24
        (("small", "small"), 24.0, 0.3333),
        (("small",), 200.0, 0.125),  # never more than 8
        (("big",), 24.0, 1.0),  # does not fit by its card: a whole GPU, and it may fail
        (("silent",), 80.0, 1.0),
        (("small", "silent"), 80.0, 1.0),
        (("small",), None, 1.0),
    ],
)
def test_share_of_a_gpu(names: tuple[str, ...], gib: float | None, share: float) -> None:
    assert gpu_share(plan(*names).models, gib) == pytest.approx(share)


def test_gpus_are_used_where_the_cluster_has_some() -> None:
    cluster = [{"CPU": 16.0, "GPU": 2.0}, {"CPU": 4.0}]
    assert task_need(plan("small"), cluster, 24.0, None, None) == Need(1, 0.1428, 0)  # 14 tasks on 16 CPUs
    assert task_need(plan("silent"), cluster, 24.0, None, None) == Need(8, 1.0, 7)
    assert task_need(plan("silent"), cluster, 24.0, 0.5, 1) == Need(2, 0.5, 1)
    assert task_need(plan("silent"), cluster, 24.0, 0.0, None) == Need(1, 0.0, 0)
    assert task_need(plan("silent"), [{"CPU": 4.0}], None, None, None) == Need(1, 0.0, 0)


def test_what_no_node_has_is_refused() -> None:
    with pytest.raises(UsageError, match="--ray-gpus"):
        task_need(plan("small"), [{"CPU": 4.0}], None, 1.0, None)
    with pytest.raises(UsageError, match="--producers 9"):
        task_need(plan("small"), [{"CPU": 4.0}], None, 0.0, 9)


def test_slots_of_a_node() -> None:
    big, small = {"CPU": 16.0, "GPU": 2.0}, {"CPU": 3.0}
    assert [slots(Need(1, 0.0, 0), node) for node in (big, small)] == [16, 3]
    assert [slots(Need(2, 0.0, 1), node) for node in (big, small)] == [8, 1], "a task cannot lie on two nodes"
    assert [slots(Need(8, 1.0, 7), node) for node in (big, small)] == [2, 0]
    assert [slots(Need(1, 0.25, 0), node) for node in (big, small)] == [8, 0]
