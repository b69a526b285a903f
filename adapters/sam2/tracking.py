"""One object's memory and one video's loop, on the package's network.

The package's own predictor wants the whole video as files, tracks objects that come late from the future of their
first frames, prints a progress bar and keeps every frame. This loop streams; results are the predictor's, bit by bit.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from PIL import Image
from sam2.modeling.sam2_base import SAM2Base
from torch import Tensor

from ..common.tensors import normalise


@dataclass
class Features:
    """What the network sees of one frame, shared by all objects."""

    levels: list[Tensor]
    positions: list[Tensor]
    sizes: list[tuple[int, int]]


@dataclass
class Track:
    """The memory of one object, in the layout that the network reads: frame index -> features and pointer."""

    memory: dict[str, dict[int, dict[str, Any]]] = field(
        default_factory=lambda: {"cond_frame_outputs": {}, "non_cond_frame_outputs": {}}
    )

    def forget(self, before: int) -> None:
        """Drop predicted frames before a frame index; given ones stay."""
        predicted = self.memory["non_cond_frame_outputs"]
        for t in [t for t in predicted if t < before]:
            del predicted[t]


class Tracker:
    """All objects of one video.

    length: frames of the video; below 16 it scales the time codes of pointers. half: memory is kept in bfloat16, as
    the package does.
    """

    def __init__(self, network: SAM2Base, length: int, half: bool) -> None:
        self.network, self.length, self.half = network, length, half
        self.tracks: list[Track] = []
        self.positions: list[Tensor] | None = None
        self.horizon = max(
            network.num_maskmem * network.memory_temporal_stride_for_eval, network.max_obj_ptrs_in_encoder
        )

    def look(self, frame: NDArray[np.uint8]) -> Features:
        """Features of an RGB uint8 H x W x 3 frame."""
        network = self.network
        side = network.image_size
        squashed = np.asarray(Image.fromarray(frame).resize((side, side)))
        image = normalise(torch.from_numpy(squashed / 255.0).permute(2, 0, 1)[None].float().to(network.device))
        _, levels, positions, sizes = network._prepare_backbone_features(network.forward_image(image))
        return Features(levels, positions, sizes)

    def follow(self, t: int, features: Features) -> list[Tensor]:
        """Logits of frame t of every object so far, each 1 x 1 x h x w."""
        found = []
        for track in self.tracks:
            out = self._run(t, features, track, None)
            track.memory["non_cond_frame_outputs"][t] = self._kept(
                out["maskmem_features"], out["maskmem_pos_enc"], out["obj_ptr"]
            )
            track.forget(t + 1 - self.horizon)
            found.append(out["pred_masks"])
        return found

    def start(self, t: int, features: Features, mask: NDArray[np.bool_]) -> Tensor:
        """Begin an object with its given mask H x W on frame t; its logits 1 x 1 x h x w."""
        network, side = self.network, (self.network.image_size, self.network.image_size)
        given = torch.from_numpy(mask).to(network.device)[None, None].float()
        if given.shape[-2:] != side:
            given = F.interpolate(given, side, mode="bilinear", align_corners=False, antialias=True)
            given = (given >= 0.5).float()
        track = Track()
        out = self._run(t, features, track, given)
        # The package remembers what is left of a given mask at the size of its logits.
        remembered = F.interpolate(out["pred_masks"], side, mode="bilinear", align_corners=False)
        memory, positions = network._encode_new_memory(
            features.levels, features.sizes, remembered, out["object_score_logits"], is_mask_from_pts=True
        )
        track.memory["cond_frame_outputs"][t] = self._kept(memory, positions, out["obj_ptr"])
        self.tracks.append(track)
        logits: Tensor = out["pred_masks"]
        return logits

    def _run(self, t: int, features: Features, track: Track, given: Tensor | None) -> dict[str, Any]:
        found: dict[str, Any] = self.network.track_step(
            frame_idx=t,
            is_init_cond_frame=given is not None,
            current_vision_feats=features.levels,
            current_vision_pos_embeds=features.positions,
            feat_sizes=features.sizes,
            point_inputs=None,
            mask_inputs=given,
            output_dict=track.memory,
            num_frames=self.length,
            run_mem_encoder=given is None,
        )
        return found

    def _kept(self, memory: Tensor, positions: list[Tensor], pointer: Tensor) -> dict[str, Any]:
        if self.positions is None:
            self.positions = [each.clone() for each in positions]  # equal for all frames and objects
        return {
            "maskmem_features": memory.to(torch.bfloat16) if self.half else memory,
            "maskmem_pos_enc": self.positions,
            "obj_ptr": pointer,
        }
