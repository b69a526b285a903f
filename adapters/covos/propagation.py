"""From key frames to the frames between: warp, correct, propagate. Knows no codec; what a decoder said is given."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from robust_vos_bench.models.argmax import strongest

from ..common.tensors import aggregate
from .correction import RESIDUAL, foreground, near, patch
from .network import CoVOSNetwork, groups
from .sizes import Decoded, Sizes
from .warp import Warp


@dataclass
class State:
    """What a frame passes on: features (256 x h x w; empty without a network) and masks (n x h x w)."""

    features: Tensor
    masks: Tensor


class Propagation:
    """One video. Objects count 1..n, those that come later behind the earlier ones.

    network: None for the warp alone; blocks without vectors then keep what the nearest key frame has there. coded:
    (H, W) of the picture that decoded fields cover. frames: of the video. Frames are added in the order of decoding.
    """

    def __init__(
        self, network: CoVOSNetwork | None, sizes: Sizes, coded: tuple[int, int], frames: int, device: str = "cpu"
    ) -> None:
        self.network, self.sizes, self.coded, self.device = network, sizes, coded, device
        self.last = frames - 1
        self.states: dict[int, State] = {}
        self.keys: set[int] = set()

    def key(self, t: int, picture: NDArray[np.uint8], labels: NDArray[np.uint8], objects: int) -> None:
        """A key frame: its picture, and the base model's labels in 0..objects."""
        features = torch.empty(0, *self.sizes.grid, device=self.device)
        if self.network is not None:
            features = self.network.encode(self.sizes.image(picture, self.device))
        self.states[t] = State(features, self.sizes.one_hot(labels, objects, self.device))
        self.keys.add(t)

    def between(self, t: int, picture: NDArray[np.uint8], decoded: Decoded, objects: int) -> NDArray[np.uint8]:
        """Labels in 0..objects of a frame that is no key frame; its references were added before."""
        motion = self.sizes.motion(decoded, self.coded, self.device)
        warp = Warp(motion, t, self.last)
        channels = 0 if self.network is None else 256
        state = State(
            warp.of(lambda s: self.states[s].features, self._zeros(channels)),
            warp.of(lambda s: self._masks(s, objects), self._zeros(objects)),
        )
        self.states[t] = state
        if self.network is None or decoded.residual is None:
            held = self._masks(self._nearest(t), objects)
            state.masks = torch.where(motion.intra, held, state.masks)
            shares = torch.cat([1 - state.masks.sum(0, keepdim=True), state.masks])
            return self._labels(self.sizes.native(self.sizes.enlarged(shares)))
        now = self.network.encode(self.sizes.image(picture, self.device))
        hot = self.sizes.residual(decoded.residual, self.device) > RESIDUAL
        key = self._nearest(t)
        near_object = near(foreground(state.masks))
        patch_ = patch(now, hot & near_object, self.states[key].features, self._masks(key, objects))
        trust = self.network.likeness(now, state.features)
        fixed = state.masks + patch_
        logits = torch.cat(
            [
                self.network.propagate(now, trust, aggregate(state.masks[some]), aggregate(fixed[some]))
                for some in groups(objects)
            ]
        )
        chances = torch.sigmoid(self.sizes.enlarged(logits))
        return self._labels(self.sizes.native(aggregate(chances)))

    def forget(self, before: int) -> None:
        """Drop states of frames before this one."""
        for t in [t for t in self.states if t < before]:
            del self.states[t]
            self.keys.discard(t)

    def _labels(self, probabilities: Tensor) -> NDArray[np.uint8]:
        return strongest(probabilities).to(torch.uint8).cpu().numpy()

    def _nearest(self, t: int) -> int:
        """The nearest key frame, the earlier of two."""
        return min(self.keys, key=lambda key: (abs(key - t), key))

    def _zeros(self, channels: int) -> Tensor:
        return torch.zeros(channels, *self.sizes.grid, device=self.device)

    def _masks(self, t: int, objects: int) -> Tensor:
        """A state's masks of objects 1..n; it may know fewer or more."""
        masks = self.states[t].masks[:objects]
        missing = objects - len(masks)
        return torch.cat([masks, self._zeros(missing)]) if missing else masks
