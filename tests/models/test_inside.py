"""Models that run another one: whatever changes with either is in the record and in the key."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from robust_vos_bench.analysis.sharing import Private
from robust_vos_bench.api.models import resolve_models
from robust_vos_bench.conditions.presets import PresetInfo
from robust_vos_bench.datasets import open_dataset
from robust_vos_bench.errors import UsageError, WeightsError
from robust_vos_bench.models import load_adapter, segment_checked
from robust_vos_bench.models.registry import builtin_entries
from robust_vos_bench.models.synthetic import standard_clip
from robust_vos_bench.runs.build import build_plan
from robust_vos_bench.runs.manifest import describe
from robust_vos_bench.runs.plan import ModelSpec

BASE = """
from robust_vos_bench.models import ModelCard, VOSAdapter

class Mine(VOSAdapter):
    card = ModelCard("mine", version="7")
    def __init__(self, checkpoint=None, device="cpu", *, rows: int = 1):
        super().__init__(checkpoint, device)
        self.rows = rows
    def segment(self, video):
        mask = video.prompts[video.first_prompt].copy()
        mask[: self.rows] = 0
        for _ in video.frames:
            yield mask
"""


def spec(*options: str, model: str = "covos.warp", checkpoint: str | None = None) -> ModelSpec:
    return resolve_models([model], [checkpoint] if checkpoint else [], options)[0]


def key(model: ModelSpec) -> str:
    data = open_dataset("demo")
    plan = build_plan([model], data, [], PresetInfo("custom", 0, ""), videos=list(data.videos)[:1])
    return next(plan.key(0, unit.condition, unit.video) for unit in plan.units())


@pytest.fixture
def lite(tmp_path: Path) -> Path:
    """Other weights of aoc.lite, in a file of one's own."""
    from safetensors.torch import load_file, save_file

    from robust_vos_bench.models.checkpoint import find_checkpoint

    found = find_checkpoint(builtin_entries()["aoc.lite"].card, None)
    state = load_file(found)
    name = next(n for n, t in state.items() if t.is_floating_point())
    state[name] = state[name] + torch.ones((), dtype=state[name].dtype)
    save_file(state, tmp_path / "other.safetensors")
    return tmp_path / "other.safetensors"


def test_another_checkpoint_of_the_base_is_another_key(lite: Path) -> None:
    plain, other = spec("base=aoc.lite"), spec("base=aoc.lite", f"base_checkpoint={lite}")
    assert plain.record.weights_sha256 and other.record.weights_sha256
    assert plain.record.weights_sha256 != other.record.weights_sha256 and key(plain) != key(other)
    assert other.record.own_weights is True and "base_checkpoint" not in other.record.options
    assert re.fullmatch(r"covos\.warp\[base=aoc\.lite,base_checkpoint=[0-9a-f]{8}\]", other.record.name)
    copied = lite.with_name("copied.safetensors")
    copied.write_bytes(lite.read_bytes())
    assert key(spec("base=aoc.lite", f"base_checkpoint={copied}")) == key(other)
    assert plain.record.adapter_version == "1+aoc.lite:" + builtin_entries()["aoc.lite"].card.version
    assert plain.record.license.startswith("MIT (part of rvos-bench); aoc.lite: ")
    assert set(builtin_entries()["aoc.lite"].card.trained_on) <= set(plain.record.trained_on)
    same = spec("base=aoc.lite")
    assert key(same) == key(plain) and same.options["base_checkpoint"] == plain.options["base_checkpoint"]
    first = load_adapter("covos.warp", device="cpu", **plain.options)
    second = load_adapter("covos.warp", device="cpu", **other.options)
    one, two = (next(a.base.network.parameters()) for a in (first, second))  # type: ignore[attr-defined]
    assert not torch.equal(one, two)


def test_options_codec_and_base_are_part_of_the_key() -> None:
    found = {
        key(spec("base=labelprop")): "labelprop",
        key(spec("base=static")): "static",
        key(spec("base=labelprop", "base_options=size=240")): "size",
        key(spec("base=labelprop", "crf=30")): "crf",
        key(spec("base=labelprop", model="covos.decoded")): "decoded",
    }
    assert len(found) == 5
    record = spec("base=labelprop").record
    assert record.options["codec"].startswith("x264 ") and "libavcodec" in record.options["codec"]
    assert record.options["base"] == "labelprop" and record.name == "covos.warp[base=labelprop]"
    with pytest.raises(UsageError, match=r"no option 'sise'; its options: .*size=480"):
        spec("base=labelprop", "base_options=sise=240")


def test_the_base_is_the_best_whose_weights_are_here(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("RVOS_BENCH_WEIGHTS", str(tmp_path))
    chosen = spec()
    assert chosen.record.options["base"] == "aoc.lite-video" and chosen.record.name == "covos.warp[base=aoc.lite-video]"
    assert key(chosen) == key(spec("base=aoc.lite-video")) and key(chosen) == key(spec("base=aoc"))
    (tmp_path / "stcn").mkdir()
    (tmp_path / "stcn" / "stcn.pth").write_bytes(b"weights")
    assert spec().record.options["base"] == "stcn"


def test_a_base_without_weights_is_told_as_for_model() -> None:
    with pytest.raises(WeightsError, match="model 'stcn' has no weights here"):
        spec("base=stcn")
    planned = resolve_models(["covos.warp"], [], ["base=stcn"], to_plan=True)[0]
    assert "'stcn' has no weights here" in planned.absent
    with pytest.raises(UsageError, match=r"unknown model 'stnc'\. Did you mean 'stcn'"):
        spec("base=stnc")
    with pytest.raises(UsageError, match=r"base=covos\.decoded runs another model itself"):
        spec("base=covos.decoded")
    with pytest.raises(UsageError, match="base=covos runs another model itself"):
        load_adapter("covos.warp", device="cpu", base="covos")


def test_random_weights_are_those_of_both() -> None:
    both = spec("base=stcn", model="covos", checkpoint="random")
    assert both.record.is_recipe and both.record.weights_sha256 == "random"
    assert str(both.options["base_checkpoint"]) == "random"
    assert spec("base=labelprop", model="covos", checkpoint="random").record.is_recipe
    assert spec("base=stcn", "base_checkpoint=random").record.is_recipe


def test_a_base_in_a_file_is_carried_with_the_plan(tmp_path: Path) -> None:
    file = tmp_path / "mine.py"
    file.write_text(BASE)
    first = spec(f"base={file}:Mine", "base_options=rows=2")
    assert first.inside is not None and first.inside.origin is not None and first.inside.origin.content
    assert ":7+" in first.record.adapter_version
    file.write_text(BASE.replace("= 0", "= 0  # edited"))
    assert key(first) != key(spec(f"base={file}:Mine", "base_options=rows=2"))
    clip = standard_clip(late=False, objects=1)
    options: dict[str, Any] = dict(first.options)
    masks = list(segment_checked(load_adapter("covos.warp", device="cpu", **options), clip))
    assert not masks[0][:2].any() and np.array_equal(masks[0][2:], clip.prompts[0][2:])


def test_the_example_on_the_page_runs(tmp_path: Path) -> None:
    page = Path(__file__).parents[2] / "docs" / "adapters.md"
    (tmp_path / "halved.py").write_text(page.read_text().split("file=halved.py\n")[1].split("```")[0])
    made = spec("base=static", model=f"{tmp_path / 'halved.py'}:Halved")
    assert made.inside is not None and made.record.name == "halved[base=static]"
    clip = standard_clip(late=False, objects=1)
    options: dict[str, Any] = dict(made.options)
    masks = list(segment_checked(load_adapter(made.name, device="cpu", **options), clip))
    assert not masks[-1][::2].any() and masks[-1].any()
    assert spec(model=f"{tmp_path / 'halved.py'}:Halved").record.options == {"base": "flow"}


def test_paths_in_options_of_the_base_do_not_leave_the_machine(tmp_path: Path) -> None:
    (tmp_path / "clean" / "a").mkdir(parents=True)
    made = spec("base=masks", f"base_options=folder={tmp_path}")
    assert made.record.paths == ("base_options",)
    data = open_dataset("demo")
    plan = build_plan([made], data, [], PresetInfo("custom", 0, ""), videos=list(data.videos)[:1])
    shared = Private([describe(plan, None)]).model(made.record)
    assert str(tmp_path) not in str(shared) and "base=masks" in shared.name
