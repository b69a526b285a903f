"""SAM 2.1, SAM 3's tracker and EdgeTAM: names, loading, checkpoints by name, sizes, bounded memory, the contract.

With small untrained networks. That logits are those of the authors' code: test_sam_recorded.py.
"""

from __future__ import annotations

import copy
import json
import re
import subprocess
import sys
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from memory.golden import keys
from safetensors.torch import save_file

from robust_vos_bench.errors import UsageError, WeightsError
from robust_vos_bench.models import find_entry, load_adapter
from robust_vos_bench.models.check import check_adapter
from robust_vos_bench.models.checkpoint import describe_diff
from robust_vos_bench.runs.build import build_model

from . import INSTALL
from .sam_clips import clip

pytest.importorskip("transformers", reason=INSTALL)

from robust_vos_bench.adapters.sam.adapter import SAMAdapter
from robust_vos_bench.adapters.sam.configs import build_network, variant_config
from robust_vos_bench.adapters.sam.names import from_official, tracker_of, translated

TOY: dict[str, Any] = {"network": "sam2.toy", "size": 64}
FOLLOWERS = ("samurai", "dam4sam", "sam2long")


@pytest.fixture(scope="module")
def toy() -> Any:
    """A small SAM 2 with recipe weights, in float32."""
    return SAMAdapter("random", "cpu", **TOY)


@pytest.fixture(scope="module")
def official() -> dict[str, torch.Tensor]:
    """The same weights under the authors' names."""
    return as_official(SAMAdapter("random", "cpu", **TOY).network.state_dict())


AUTHORS = (
    (r"^vision_encoder\.backbone\.patch_embed\.projection\.", "image_encoder.trunk.patch_embed.proj."),
    (r"^vision_encoder\.backbone\.", "image_encoder.trunk."),
    (r"^mask_decoder\.upscale_conv1\.", "sam_mask_decoder.output_upscaling.0."),
    (r"^mask_decoder\.upscale_layer_norm\.", "sam_mask_decoder.output_upscaling.1."),
    (r"^mask_decoder\.upscale_conv2\.", "sam_mask_decoder.output_upscaling.3."),
    (r"^mask_decoder\.", "sam_mask_decoder."),
    (r"^object_pointer_proj\.", "obj_ptr_proj."),
    (r"^memory_temporal_positional_encoding$", "maskmem_tpos_enc"),
    (r"((?:mlps\.\d+|_head|obj_ptr_proj)\.)layers\.0", r"\1layers.1"),
    (r"((?:mlps\.\d+|_head|obj_ptr_proj)\.)proj_in", r"\1layers.0"),
    (r"((?:mlps\.\d+|_head|obj_ptr_proj)\.)proj_out", r"\1layers.2"),
    (r"\.mlp\.proj_in", ".mlp.layers.0"),
    (r"\.mlp\.proj_out", ".mlp.layers.1"),
    (r"\.layer_norm", ".norm"),
    (r"\.o_proj\.", ".out_proj."),
)
"""Some of the authors' names, enough for a file to be taken for theirs; the others stay."""


def as_official(state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """A state_dict of transformers in the way of the authors."""
    found = {}
    for name, tensor in state.items():
        if name == "prompt_encoder.point_embed.weight":
            for i in range(4):
                found[f"sam_prompt_encoder.point_embeddings.{i}.weight"] = tensor[i : i + 1].clone()
        elif not name.startswith("shared_image_embedding"):
            for pattern, theirs in AUTHORS:
                name = re.sub(pattern, theirs, name)
            found[name] = tensor.clone()
    return found


@lru_cache
def shapes(network: str) -> dict[str, tuple[int, ...]]:
    """Names and shapes of a network's state_dict."""
    with torch.device("meta"):
        return {n: tuple(t.shape) for n, t in build_network(variant_config(network)).state_dict().items()}


def test_inventory(shared: Path) -> None:
    """Every entry of the official state_dict of SAM 2.1, Hiera-T, has its place and shape."""
    official = {n: torch.empty(s, device="meta") for n, s in keys(shared, "SAM2.1-hiera-tiny").items()}
    assert len(official) == 471
    assert describe_diff(shapes("sam2.tiny"), {n: tuple(t.shape) for n, t in from_official(official).items()}) == []


@pytest.mark.parametrize(
    "official, ours",
    [
        ("image_encoder.trunk.body.stages_2.blocks.2.se.fc1.weight", "vision_encoder.backbone.timm_model."),
        ("spatial_perceiver.latents", "spatial_perceiver.latents_1d"),
        ("spatial_perceiver.latents_2d", "spatial_perceiver.latents_2d"),
        ("spatial_perceiver.layers.1.attn.norm_x.weight", "spatial_perceiver.layers.1.layer_norm_input.weight"),
        ("spatial_perceiver.layers.0.self_attn.norm.bias", "spatial_perceiver.layers.0.layer_norm_self.bias"),
        (
            "spatial_perceiver.layers.0.self_attn.to_out.weight",
            "spatial_perceiver.layers.0.self_attention.o_proj.weight",
        ),
        ("spatial_perceiver.layers.0.attn.to_q.weight", "spatial_perceiver.layers.0.cross_attention.q_proj.weight"),
        ("spatial_perceiver.layers.0.ff.0.bias", "spatial_perceiver.layers.0.mlp.layer_norm.bias"),
        ("spatial_perceiver.layers.0.self_ff.3.weight", "spatial_perceiver.layers.0.self_mlp.down_proj.weight"),
        ("spatial_perceiver.norm.weight", "spatial_perceiver.layer_norm.weight"),
        (
            "memory_encoder.mask_downsampler.encoder.7.weight",
            "memory_encoder.mask_downsampler.layers.2.layer_norm.weight",
        ),
        ("memory_encoder.mask_downsampler.encoder.12.bias", "memory_encoder.mask_downsampler.final_conv.bias"),
        ("sam_prompt_encoder.mask_downscaling.4.weight", "prompt_encoder.mask_embed.layer_norm2.weight"),
        ("obj_ptr_proj.layers.1.bias", "object_pointer_proj.layers.0.bias"),
    ],
)
def test_names_of_the_authors(official: str, ours: str) -> None:
    found = translated(official)
    assert found == ours or (ours.endswith(".") and found == ours + official.removeprefix("image_encoder.trunk.body."))
    family = "edgetam" if "perceiver" in found or "timm" in found else "sam2.toy"
    assert found in shapes(family)


def test_keys_and_values_are_told_apart() -> None:
    both = torch.arange(8.0).reshape(4, 2)
    found = from_official({"spatial_perceiver.layers.0.attn.to_kv.weight": both})
    name = "spatial_perceiver.layers.0.cross_attention."
    assert torch.equal(found[f"{name}k_proj.weight"], both[:2]) and torch.equal(found[f"{name}v_proj.weight"], both[2:])
    assert list(from_official({"memory_attention.layers.0.linear1.bias": both[0]})) == [
        "memory_attention.layers.0.linear1.bias"
    ]


def test_official_checkpoints_load_strictly(official: dict[str, torch.Tensor], toy: Any, tmp_path: Path) -> None:
    """Official files hold the state under "model"."""
    torch.save({"model": official}, tmp_path / "whole.pt")
    loaded = SAMAdapter(tmp_path / "whole.pt", "cpu", **TOY).network.state_dict()
    assert all(torch.equal(loaded[name], tensor) for name, tensor in toy.network.state_dict().items())
    torch.save({"model": {n: t for n, t in official.items() if n != "maskmem_tpos_enc"}}, tmp_path / "torn.pt")
    with pytest.raises(WeightsError, match="missing: memory_temporal_positional_encoding"):
        SAMAdapter(tmp_path / "torn.pt", "cpu", **TOY)


@pytest.fixture(scope="module")
def folder(toy: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint as transformers saves it."""
    made = tmp_path_factory.mktemp("hub") / "my-sam"
    toy.network.save_pretrained(made)
    return made


def test_a_folder_of_transformers_runs_by_its_name(folder: Path, toy: Any) -> None:
    name = f"hf:{folder}"
    assert find_entry(name).name == "hf:my-sam"
    adapter: Any = load_adapter(name, device="cpu")
    video = clip(3)
    assert [m.tolist() for m in adapter.segment(video)] == [m.tolist() for m in toy.segment(video)]


def test_a_run_records_weights_and_config_but_no_path(folder: Path, tmp_path: Path) -> None:
    """Other shapes beside the same weights are another model; a worker finds it again."""
    spec = build_model(f"hf:{folder}", label="mine")
    assert find_entry(spec.name).name == "hf:my-sam" and spec.record.checkpoint == "model.safetensors"
    assert str(folder) not in repr(spec.record)
    other = tmp_path / "my-sam"
    other.mkdir()
    (other / "model.safetensors").write_bytes((folder / "model.safetensors").read_bytes())
    settings = json.loads((folder / "config.json").read_text())
    (other / "config.json").write_text(json.dumps({**settings, "num_maskmem": 5}))
    assert build_model(f"hf:{other}").record.weights_sha256 != spec.record.weights_sha256


def test_what_is_no_checkpoint_is_told(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"no such folder.*hf:OWNER/NAME or hf:FOLDER"):
        find_entry("hf:nothing")
    for escape in ("hf:a/..", "hf:../a", "hf:a/b@../c"):
        with pytest.raises(UsageError, match="no such folder"):
            find_entry(escape)
    (tmp_path / "config.json").write_text('{"model_type": "bert"}')
    (tmp_path / "model.safetensors").write_bytes((folder / "model.safetensors").read_bytes())
    with pytest.raises(UsageError, match="model_type 'bert'; models that run here are edgetam_video, sam2_video"):
        load_adapter(f"hf:{tmp_path}", device="cpu")
    (tmp_path / "config.json").unlink()
    with pytest.raises(WeightsError, match=r"config\.json"):
        load_adapter(f"hf:{tmp_path}", device="cpu")
    with pytest.raises(UsageError, match="no untrained weights"):
        load_adapter(f"hf:{folder}", "random", "cpu")


def test_offline_a_repository_is_told_with_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("RVOS_BENCH_WEIGHTS", "RVOS_BENCH_CACHE"):
        monkeypatch.setenv(variable, str(tmp_path))
    monkeypatch.setenv("RVOS_BENCH_OFFLINE", "1")
    with pytest.raises(WeightsError) as told:
        load_adapter("hf:facebook/sam2.1-hiera-tiny", device="cpu")
    assert "rvos-bench weights get hf:facebook/sam2.1-hiera-tiny" in str(told.value)
    assert told.value.exit_code == 4


def test_the_tracker_of_a_sam3_file(tmp_path: Path) -> None:
    """transformers' file of SAM 3 holds detector and tracker; config.json too."""
    adapter: Any = SAMAdapter("random", "cpu", network="sam3.toy", size=56)
    whole = {"detector_model.text_encoder.weight": torch.ones(2), "detector_model.vision_encoder.neck.x": torch.ones(2)}
    for name, tensor in adapter.network.state_dict().items():
        if name.startswith("vision_encoder.neck."):
            whole[name.replace("vision_encoder.neck.", "tracker_neck.")] = tensor.clone()
        elif name.startswith("vision_encoder."):
            whole[f"detector_model.{name}"] = tensor.clone()
        else:
            whole[f"tracker_model.{name}"] = tensor.clone()
    assert set(tracker_of(whole)) == set(adapter.network.state_dict())
    save_file(whole, tmp_path / "model.safetensors")
    settings = {"model_type": "sam3_video", "tracker_config": adapter.config.to_dict()}
    (tmp_path / "config.json").write_text(json.dumps(settings))
    loaded: Any = load_adapter(f"hf:{tmp_path}", device="cpu")
    assert loaded.family == "sam3" and loaded.memory == "selected"
    mine = adapter.network.state_dict()
    assert all(torch.equal(mine[name], tensor) for name, tensor in loaded.network.state_dict().items())


@pytest.mark.parametrize("network, size, step", [("sam2.toy", 500, 32), ("sam3.toy", 100, 14), ("edgetam", 320, 256)])
def test_sizes_that_cannot_work_are_refused(network: str, size: int, step: int) -> None:
    with pytest.raises(UsageError, match=f"multiple of {step}"):
        SAMAdapter("random", "cpu", network=network, size=size)


@pytest.mark.parametrize("memory", ["plain", "selected", "samurai", "dam4sam", "sam2long"])
def test_memory_is_bounded(toy: Any, memory: str) -> None:
    """What an object holds does not grow with the video; a last frame after many reads no more than is there."""
    video = clip(34)
    adapter: Any = copy.copy(toy)
    adapter.memory = memory
    session = adapter.session(video)
    held = []
    for t, frame in enumerate(video.frames):
        session.step(frame, np.where(video.prompts[0] == 3, 3, 0).astype(np.uint8) if t == 0 else None, False)
        held.append(len(session.followers[0].past) + len(session.followers[0].given))
    beyond = 1 + 7 + 5 if memory == "dam4sam" else 7 if memory == "samurai" else 1
    assert held[10] == 11 and max(held) <= 16 + beyond


def test_the_length_of_the_video_matters(toy: Any) -> None:
    """Time codes of pointers are scaled by the length below 16 frames: the same frames, told otherwise, differ."""
    logits = []
    for length in (5, 10):
        video = clip(length)
        session = toy.session(video)
        for t, frame in zip(range(5), video.frames):
            session.step(frame, video.prompts.get(t), False)
        logits.append(session.found)
    assert not torch.equal(*logits)


@pytest.mark.parametrize("memory", ["plain", *(pytest.param(m, marks=pytest.mark.slow) for m in FOLLOWERS)])
def test_the_small_sam2_keeps_the_contract(memory: str) -> None:
    small: Any = SAMAdapter("random", "cpu", **TOY, memory=memory)
    small.card = find_entry("sam2.tiny").card
    report = check_adapter(small)
    assert [f"{f.check}: {f.detail}" for f in report.findings if f.level == "broken"] == []


@pytest.mark.parametrize(
    "name, network, size",
    [("sam3", "sam3.toy", 56), pytest.param("edgetam", "edgetam", 256, marks=pytest.mark.slow)],
)
def test_the_others_keep_the_contract(name: str, network: str, size: int) -> None:
    small: Any = SAMAdapter("random", "cpu", network=network, size=size)
    small.card = find_entry(name).card
    report = check_adapter(small)
    assert [f"{f.check}: {f.detail}" for f in report.findings if f.level == "broken"] == []


@pytest.mark.slow
@pytest.mark.parametrize("name", ["sam2.tiny", "sam2.small", "sam2.base_plus", "sam2.large"])
def test_the_published_sizes_keep_the_contract(name: str) -> None:
    report = check_adapter(load_adapter(name, "random", "cpu", size=64))
    assert [f"{f.check}: {f.detail}" for f in report.findings if f.level == "broken"] == []


def test_half_precision_is_left_behind(toy: Any) -> None:
    """Autocast and gradients inside the adapter are not seen outside; memory is in bfloat16 then."""
    adapter: Any = SAMAdapter("random", "cpu", **TOY, amp=True)
    video = clip(3)
    session = adapter.session(video)
    for t, frame in enumerate(video.frames):
        session.step(frame, video.prompts.get(t), False)
        assert torch.is_grad_enabled() and not torch.is_autocast_enabled("cpu")
    assert session.followers[0].past[2].memory.dtype == torch.bfloat16
    full = toy.session(video)
    for t, frame in enumerate(video.frames):
        full.step(frame, video.prompts.get(t), False)
    assert float((full.found - session.found).abs().max()) < 0.5
    assert not toy.amp  # in float32 on a CPU unless asked for


def test_objects_do_not_disturb_each_other(toy: Any) -> None:
    """One object alone has the logits that it has among three."""
    video = clip(4)
    alone = video.with_prompts({0: np.where(video.prompts[0] == 7, 7, 0).astype(np.uint8)})
    logits = []
    for each in (video, alone):
        session = toy.session(each)
        for t, frame in enumerate(each.frames):
            session.step(frame, each.prompts.get(t), False)
        logits.append(session.found[session.ids.ids.index(7)])
    assert torch.equal(*logits)


def test_a_torchvision_that_does_not_fit_torch_is_passed_over() -> None:
    """It raises RuntimeError where it is imported; the networks need none of it."""
    code = (
        "import sys, types, importlib.machinery\n"
        "class Broken:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name == 'torchvision':\n"
        "            return importlib.machinery.ModuleSpec(name, self)\n"
        "    def create_module(self, spec): return None\n"
        "    def exec_module(self, module): raise RuntimeError('operator torchvision::nms does not exist')\n"
        "sys.meta_path.insert(0, Broken())\n"
        "from robust_vos_bench.adapters.sam.library import library\n"
        "assert library().Sam2VideoModel and library().Sam3TrackerVideoModel and library().EdgeTamVideoModel\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
