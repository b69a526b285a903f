"""`--model hf:OWNER/NAME`: config and weights come from the Hub, which the loopback plays, and are recorded."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from helpers.hosts import Hub, Internet, internet
from robust_vos_bench.api.weights import get_weights
from robust_vos_bench.errors import WeightsError
from robust_vos_bench.models import load_adapter
from robust_vos_bench.runs.build import build_model

from . import INSTALL
from .sam_clips import clip

pytest.importorskip("transformers", reason=INSTALL)

from robust_vos_bench.adapters.sam.adapter import SAMAdapter

NAME = "hf:me/small-sam"


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """A repository as transformers saves one."""
    folder = tmp_path_factory.mktemp("repository")
    adapter: Any = SAMAdapter("random", "cpu", network="sam2.toy", size=64)
    adapter.network.save_pretrained(folder)
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.fixture
def net(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Internet]:
    monkeypatch.setenv("RVOS_BENCH_WEIGHTS", str(tmp_path))
    monkeypatch.setenv("RVOS_BENCH_CACHE", str(tmp_path / "cache"))
    with internet() as made:
        yield made


def test_a_model_of_the_hub_is_fetched_and_runs(net: Internet, files: dict[str, bytes], tmp_path: Path) -> None:
    Hub({"me/small-sam": files}).install(net)
    adapter: Any = load_adapter(NAME, device="cpu")
    assert (tmp_path / "hf" / "me" / "small-sam" / "config.json").is_file()
    video = clip(2)
    same: Any = SAMAdapter("random", "cpu", network="sam2.toy", size=64)
    assert [m.tolist() for m in adapter.segment(video)] == [m.tolist() for m in same.segment(video)]
    asked = len(net.requests)
    spec = build_model(NAME)
    assert spec.record.name == NAME and len(spec.record.weights_sha256) == 64
    assert len(net.requests) == asked, "what is here is not asked for again"
    # Another file under the same name is not taken for the one that was fetched.
    path = tmp_path / "hf" / "me" / "small-sam" / "model.safetensors"
    path.write_bytes(files["model.safetensors"][:-1] + b"\0")
    with pytest.raises(WeightsError, match="sha256"):
        build_model(NAME)


def test_weights_get_takes_the_name(net: Internet, files: dict[str, bytes]) -> None:
    Hub({"me/small-sam": files}).install(net)
    assert [got.file for got in get_weights([NAME], progress=False)] == ["config.json", "model.safetensors"]


def test_what_the_hub_refuses_is_told(net: Internet, files: dict[str, bytes]) -> None:
    hub = Hub({"me/small-sam": files, "me/other": {"config.json": b"{}"}})
    hub.install(net)
    with pytest.raises(WeightsError, match="no such repository"):
        load_adapter("hf:me/nothing", device="cpu")
    with pytest.raises(WeightsError, match=r"model\.safetensors.*no such file"):
        load_adapter("hf:me/other", device="cpu")
    hub.gated = True
    with pytest.raises(WeightsError, match="accept their terms"):
        load_adapter("sam3", device="cpu")
