"""FEELVOS against recorded runs of the official TensorFlow graph: step by step, and free-running."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from recordings import Recording, steps
from torch import Tensor

from robust_vos_bench.adapters.cfbi_line.nearest import nearest_distances
from robust_vos_bench.adapters.feelvos.model import FEELVOSAdapter, prepared
from robust_vos_bench.adapters.feelvos.network import FEELVOS
from robust_vos_bench.adapters.feelvos.weights import official_name, to_official
from robust_vos_bench.datasets.video import Video
from robust_vos_bench.models import load_adapter


@pytest.fixture(scope="module")
def adapter() -> FEELVOSAdapter:
    """Untrained, with the weights of the recordings."""
    found = load_adapter("feelvos", "random", "cpu")
    assert isinstance(found, FEELVOSAdapter)
    return found


@pytest.fixture(scope="module")
def golden(shared: Path) -> Recording:
    """Five frames, three objects."""
    return Recording.read(shared / "models" / "feelvos" / "golden" / "multi3.npz")


@pytest.fixture(scope="module")
def video(shared: Path, golden: Recording) -> Video:
    """The recorded clip, 238 x 427."""
    inputs = Recording.read(shared / "models" / "family" / "golden" / "inputs.npz")
    count = golden.meta["frames"]
    return Video.from_arrays(list(inputs["frames"][:count]), {0: inputs["mask_multi3"].astype(np.uint8)}, name="multi3")


def apart(ours: Tensor, recorded: NDArray[np.floating]) -> float:
    """Largest difference of C x h x w (or slots x ...) from a recording with channels last."""
    last = ours.movedim(-3, -1).numpy()
    assert last.shape == recorded.shape
    return float(np.abs(last - recorded.astype(np.float32)).max())


def test_inventory(shared: Path) -> None:
    """Every variable of the official graph under its name and in its shape, and nothing else."""
    wanted = json.loads((shared / "models" / "feelvos" / "keys" / "feelvos_xception65.json").read_text())
    with torch.device("meta"):
        state = FEELVOS().state_dict()
    assert {name: list(t.shape) for name, t in to_official(state).items()} == wanted
    assert len({official_name(name) for name in state}) == len(state) == 752


@torch.no_grad()
def test_one_frame_step_by_step(adapter: FEELVOSAdapter, golden: Recording, video: Video) -> None:
    """Trunk, pyramid, decoder and embedding of the first frame; then all of the second, given the first labels."""
    network, frames = adapter.network, list(video.frames)
    image = prepared(frames[0], "cpu")
    low, top = network.xception_65(image)
    pyramid = network.pyramid(top)
    decoded = network.decode(pyramid, low)
    assert apart(low[0, ::32, ::2, ::2], golden["f0_lowlevel_c32_s2"]) < 2e-6
    assert apart(pyramid[0, ::32], golden["f0_aspp_c32"]) < 1e-6
    assert apart(decoded[0, ::32, ::2, ::2], golden["f0_decoder_c32_s2"]) < 1e-6

    session = adapter.session(video)
    session.step(frames[0], video.prompts[0], False)
    before = session.previous
    assert before is not None
    assert apart(before[::10, ::2, ::2], golden["f0_embedding_c10_s2"]) < 5e-6
    seen = network.embed(prepared(frames[1], "cpu"))
    assert apart(seen.embedding[::10, ::2, ::2], golden["embedding_c10_s2_t1"]) < 5e-6
    groups = session.references.groups(4)
    masks = session.small(session.known, seen)[None] == torch.arange(4)[:, None, None]
    assert apart(nearest_distances(seen.embedding, groups), golden["global_dist_t1"]) < 1e-4
    everywhere, nearby = network.matching(seen.embedding, groups, before, masks, session.window)
    # Recorded as sums of squared differences; here, as in the official correlation, |a|^2 + |b|^2 - 2ab.
    assert apart(nearby, golden["local_t1"]) < 1e-4
    maps = torch.stack([everywhere, masks.float(), nearby], 1)
    features = list(network.features(seen.decoded, maps))
    recorded = golden["head_c32_s2_t1"]
    for slot, each in enumerate(features):
        assert apart(each[0, ::32, ::2, ::2], recorded[slot]) < 1e-5
    logits = torch.cat([network.classified(each) for each in features])
    assert np.abs(logits.numpy() - golden["logits_t1"]).max() < 1e-3
    mask = session.step(frames[1], None, False)
    assert torch.equal(session.found, logits)
    assert (mask != golden["labels"][1]).mean() < 2e-4


@pytest.mark.slow
@pytest.mark.parametrize("forced", [True, False])
def test_whole_clip(adapter: FEELVOSAdapter, golden: Recording, video: Video, forced: bool) -> None:
    """Labels, logits and means of the maps of every frame; forced: with the recorded labels of the frame before."""
    session = adapter.session(video)
    means: list[NDArray[np.floating]] = []
    plain = adapter.network.matching

    def noted(now: Tensor, references: list[Tensor], *others: Any) -> tuple[Tensor, Tensor]:
        maps = plain(now, references, *others)
        # Recorded are the distances of the global map, and the local map itself.
        means[:] = [each.mean((1, 2)).numpy() for each in (nearest_distances(now, references), maps[1])]
        return maps

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(adapter.network, "matching", noted)
        for t, mask in enumerate(steps(session, video)):
            assert (mask != golden["labels"][t]).mean() < 2e-4
            if t >= 2:
                # The recording is in half precision: 1/256 at 16.
                recorded = golden[f"logits_s2_f16_t{t}"].astype(np.float32)
                assert np.abs(session.found[:, ::2, ::2].numpy() - recorded).max() < 1e-3 + 1 / 256
                for name, mean in zip(("global", "local"), means):
                    assert np.abs(mean - golden[f"{name}_mean_t{t}"]).max() < 1e-5
            if forced:
                session.known = torch.from_numpy(golden["labels"][t])
