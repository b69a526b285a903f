"""The recorded run of the official networks: decoder and base model are given, everything else is computed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from recordings import Recording
from torch import Tensor

from robust_vos_bench.adapters.common.tensors import unpad
from robust_vos_bench.adapters.covos.network import UNTRAINED, CoVOSNetwork
from robust_vos_bench.adapters.covos.propagation import Propagation
from robust_vos_bench.adapters.covos.sizes import Decoded, Sizes
from robust_vos_bench.adapters.encoders.fold import fold_norms
from robust_vos_bench.models.torch_adapter import fill_untrained


def network() -> CoVOSNetwork:
    made = CoVOSNetwork()
    fill_untrained(made, UNTRAINED)
    fold_norms(made)
    return made.eval().requires_grad_(False)


class Watched:
    """The networks, with what the propagator was given and gave last."""

    def __init__(self) -> None:
        self.network = network()
        self._propagate = self.network.propagate
        self.network.propagate = self.propagate  # type: ignore[method-assign]

    def propagate(self, now: Tensor, trust: Tensor, warped: Tensor, patched: Tensor) -> Tensor:
        self.now, self.patched = now, patched
        self.logits = self._propagate(now, trust, warped, patched)
        return self.logits


def decoded(golden: Recording, t: int) -> Decoded:
    """What the recording gives in place of a decoder."""
    fields = [np.stack([golden[f"{name}_L{side}"][t] for side in (0, 1)]) for name in ("mv_x", "mv_y")]
    offsets = np.stack([golden[f"L{side}_ref"][t] for side in (0, 1)])
    residual = golden["residual"][t].astype(np.float32) / 255 - 0.5
    return Decoded(fields[0], fields[1], offsets, residual)


def test_recorded_runs(shared: Path) -> None:
    """Whatever runs are there: any number of objects, frames between that refer to others of their kind."""
    files = sorted((shared / "models" / "covos" / "golden").glob("*.npz"))
    if not files:
        pytest.skip("no recordings of CoVOS")
    for file in files:
        compare(shared, Recording.read(file))


def compare(shared: Path, golden: Recording) -> None:
    """Every array of a file: reductions, warp, patch, logits and labels of each frame between."""
    frames = Recording.read(shared / "models" / "family" / "golden" / "inputs.npz")["frames"]
    coded, shape = tuple(golden.meta["coded"]), tuple(golden.meta["gt_shape"])
    grown = [(0, large - small) for large, small in zip(coded, frames.shape[1:3])]
    pictures = np.pad(frames, [(0, 0), *grown, (0, 0)], mode="edge")
    count, objects, keys = len(golden["frame_type"]), len(golden.meta["ids"]), golden["key_idx"].tolist()
    sizes = Sizes(shape, None)  # pictures come in the decoder's size and are reduced
    assert list(sizes.pads) == golden["pad"].tolist() and sizes.grid == golden["key_pred4"].shape[1:]

    images = [sizes.image(pictures[t], "cpu") for t in range(count)]
    means = [float(unpad(image, sizes.pads).double().mean()) for image in images]
    assert np.abs(means - golden["rgb_tensor_mean"]).max() < 1e-5
    assert np.abs(unpad(images[1], sizes.pads)[0, :, ::4, ::4].numpy() - golden["rgb_tensor_t1_s4"]).max() < 1e-5
    hot = np.stack([sizes.residual(decoded(golden, t).residual, "cpu").numpy() > 0.15 for t in range(count)])
    expected = np.unpackbits(golden["residual_mask_packed"])[: hot.size].reshape(hot.shape)
    assert np.array_equal(hot, expected) and np.array_equal(hot.sum((1, 2)), golden["residual_mask_count"])
    motion = sizes.motion(decoded(golden, 1), coded, "cpu")
    assert np.abs(motion.x[0].numpy() - golden["mv_x_L0_q"][0]).max() < 1e-6
    assert np.array_equal(motion.offsets[0].numpy(), golden["L0_ref_q"][0])

    watched = Watched()
    run_ = Propagation(watched.network, sizes, coded, count)
    labels = np.zeros((count, *shape), np.uint8)

    def close(name: str, found: np.ndarray, wanted: str, limit: float) -> None:
        apart = float(np.abs(found.astype(np.float64) - golden[wanted].astype(np.float64)).max())
        assert apart <= limit, (name, wanted, apart)

    for t in golden["decode_order"].tolist():
        if t in keys:
            labels[t] = golden["key_masks"][keys.index(t)]
            run_.key(t, pictures[t], labels[t], objects)
            masks = run_.states[t].masks
            best = torch.cat([1 - masks.sum(0, keepdim=True), masks]).argmax(0).numpy()
            assert np.array_equal(best, golden["key_pred4"][keys.index(t)])
            continue
        labels[t] = run_.between(t, pictures[t], decoded(golden, t), objects)
        assert np.array_equal((run_.states[t].masks * 4).numpy(), golden[f"warped_pred_x4_u8_t{t}"])
        assert float(run_.states[t].masks.sum()) == float(golden[f"warped_pred_sum_t{t}"])
        close("patched", watched.patched[:, ::2, ::2].numpy(), f"patched_s2_f16_t{t}", 5e-4)
        moments = torch.stack([watched.logits.mean((1, 2)), watched.logits.std((1, 2), correction=0)]).numpy()
        close("moments", moments, f"logits4_mean_std_t{t}", 1e-3)
        if f"logits4_t{t}" in golden:
            close("logits", watched.logits.numpy(), f"logits4_t{t}", 1e-3)
            close("warped features", run_.states[t].features[::64, ::4, ::4].numpy(), f"warped_feat_c64_s4_t{t}", 1e-3)
            close("features", watched.now[::64, ::4, ::4].numpy(), f"feat_now_c64_s4_t{t}", 1e-3)
        else:
            close("logits, half precision", watched.logits[:, ::2, ::2].numpy(), f"logits4_s2_f16_t{t}", 1e-2)
    assert float((labels != golden["labels"]).mean()) < 5e-4
    assert np.array_equal(labels[keys], golden["labels"][keys])
