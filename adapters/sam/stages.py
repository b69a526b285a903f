"""The steps of SAM 2, SAM 3's tracker and EdgeTAM for one object and one frame, on the layers of transformers.

Only layers are taken from there, no loop: its sessions differ from the authors' code where masks are given (see
docs/models/sam.md).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from robust_vos_bench.datasets.video import Frame

from ..common.seam import frame_size, pillow_transposed, through
from ..common.tensors import IMAGENET_MEAN, IMAGENET_STD, normalise
from .configs import family_of, stride_of, trained_size

ABSENT = -1024.0
"""Logit of all pixels of an object that the network finds absent."""
SURE = 10.0
"""Logit, up to its sign, of a pixel of a given mask."""


@dataclass(frozen=True)
class Features:
    """What the network sees of a frame, shared by all objects. g: side of the coarsest map."""

    high: list[Tensor]
    """1 x 32 x 4g x 4g and 1 x 64 x 2g x 2g."""
    top: Tensor
    """g*g x 1 x C."""
    position: Tensor
    """g*g x 1 x C."""


@dataclass(frozen=True)
class Candidates:
    """What the mask decoder offers for one object."""

    masks: Tensor
    """Logits m x 4g x 4g, float32; `ABSENT` everywhere where the object is not seen."""
    quality: Tensor
    """Predicted overlap of each mask with the object, m."""
    pointers: Tensor
    """m x C."""
    score: Tensor
    """Logit of the object's presence, a scalar."""


@dataclass(frozen=True)
class Reading:
    """What an object's memory gives to a frame, in the order in which the network gets it."""

    maps: list[tuple[int, Tensor]]
    """(row of the temporal encoding: 0 for the frame before, `rows` - 1 for a given one; memory n x 1 x c)."""
    pointers: list[tuple[int, Tensor]]
    """(frames ago; pointer 1 x C)."""
    span: int
    """Frames that pointers may be old, which scales their temporal encoding."""
    weights: tuple[list[float], list[float]] | None = None
    """Factors of the keys of each map and of each pointer."""


class Stages:
    """The steps of one network.

    half: memory is kept in bfloat16, as the authors do. sharp: given masks are remembered as 0 and 1, not through a
    sigmoid of their logits. seen: logits of presence above this are a seen object, 0 as trained.
    """

    def __init__(self, network: Any, half: bool, sharp: bool = False, seen: float = 0.0) -> None:
        self.network, self.config = network, network.config
        self.half, self.sharp, self.seen = half, sharp, seen
        self.family = family_of(self.config)
        self.side = trained_size(self.config)
        self.grid = self.side // stride_of(self.config)
        self.device: torch.device = next(network.parameters()).device
        self.rows: int = self.config.num_maskmem
        self.most_pointers: int = self.config.max_object_pointers_in_encoder
        self._positions: Tensor | None = None
        self._image_positions: Tensor | None = None

    def image(self, frame: Frame | Tensor) -> Tensor:
        """A frame, squashed to the network's square by Pillow's bicubic, 1 x 3 x side x side in 0..1.

        frame: RGB uint8 H x W x 3, or a float tensor 3 x H x W that stands for one.
        """

        def back(gradient: Tensor) -> Tensor:
            return pillow_transposed(gradient[0] / 255, frame_size(frame), Image.Resampling.BICUBIC)

        return through(frame, self._squashed, back)

    def _squashed(self, frame: Frame) -> Tensor:
        squashed = np.asarray(Image.fromarray(frame).resize((self.side, self.side)))
        return torch.from_numpy(squashed / 255.0).permute(2, 0, 1)[None].float().to(self.device)

    def features(self, image: Tensor) -> Features:
        """Features of what `image` made."""
        mean, std = ((0.5,) * 3,) * 2 if self.family == "sam3" else (IMAGENET_MEAN, IMAGENET_STD)
        found = self.network.get_image_features(normalise(image, mean, std), return_dict=True)
        *high, top = found.fpn_hidden_states
        sides = (4 * self.grid, 2 * self.grid)
        maps = [each.permute(1, 2, 0).reshape(1, -1, side, side) for each, side in zip(high, sides)]
        return Features(maps, top, found.fpn_position_encoding[-1])

    def given(self, features: Features, mask: NDArray[np.bool_]) -> tuple[Tensor, Tensor, Tensor]:
        """A mask H x W that is given: (its logits 1 x 4g x 4g, memory n x 1 x c, pointer 1 x C)."""
        full = 16 * self.grid
        sent = torch.from_numpy(mask).to(self.device)[None, None].float()
        sized = sent if mask.shape == (full, full) else _reduced(sent, full)
        if self.family != "sam3":
            sized = (sized >= 0.5).float()
        # The decoder makes a pointer of the mask: of its single mask, not of the best of three.
        prompt = self.network.mask_downsample(sized)
        pointer = self.decode(features, self.by_itself(features), prompt, many=False).pointers
        seen = (sized > 0).any().float()
        pointer = seen * pointer + (1 - seen) * self.network.no_object_pointer
        # Remembered is what is left of the mask at the size of the logits; SAM 3 takes it from the video's size.
        sharp = torch.where(sent > 0, -ABSENT, ABSENT) if self.family == "sam3" else sized * 2 * SURE - SURE
        logits = _reduced(sharp, 4 * self.grid)[0]
        return logits, self.remember(features, logits, 2 * SURE * seen - SURE, given=True), pointer

    def by_itself(self, features: Features) -> Tensor:
        """The coarsest map without any memory, 1 x C x g x g."""
        return self._map(features.top)

    def attend(self, features: Features, reading: Reading) -> Tensor:
        """The coarsest map with what memory says, 1 x C x g x g."""
        network = self.network
        table = network.memory_temporal_positional_encoding
        assert self._positions is not None
        maps = [memory for _, memory in reading.maps]
        places = [self._positions + table[row] for row, _ in reading.maps]
        pointers = torch.stack([pointer for _, pointer in reading.pointers])  # p x 1 x C
        times = self._times([ago for ago, _ in reading.pointers], reading.span, pointers)
        width = network.mem_dim
        parts = pointers.shape[-1] // width
        tokens = pointers.reshape(-1, 1, parts, width).permute(0, 2, 1, 3).flatten(0, 1)
        times = times[:, None].repeat_interleave(parts, 0)
        memory = torch.cat([*maps, tokens])
        place = torch.cat([*places, times])
        if reading.weights is not None:
            # Keys are memory + place; weighted ones are made by another place, so that values stay.
            factors = torch.cat(
                [
                    *(memory.new_full((len(m), 1, 1), w) for m, w in zip(maps, reading.weights[0])),
                    *(memory.new_full((parts, 1, 1), w) for w in reading.weights[1]),
                ]
            )
            place = factors * (memory + place) - memory
        extra = {"num_spatial_memory_tokens": len(maps)} if self.family == "edgetam" else {}
        found = network.memory_attention(
            current_vision_features=features.top,
            current_vision_position_embeddings=features.position,
            memory=memory,
            memory_posision_embeddings=place,
            num_object_pointer_tokens=len(tokens),
            **extra,
        )
        return self._map(found.reshape(self.grid**2, 1, -1))

    def decode(self, features: Features, top: Tensor, prompt: Tensor | None = None, many: bool = True) -> Candidates:
        """Masks of an object. top: the coarsest map 1 x C x g x g. prompt: logits 1 x 1 x 4g x 4g of a given mask.
        many: three masks to choose from, as in tracking; else one."""
        network = self.network
        if self._image_positions is None:
            self._image_positions = network.get_image_wide_positional_embeddings()
        nowhere = torch.zeros(1, 1, 1, 2, device=self.device)
        none = -torch.ones(1, 1, 1, dtype=torch.int32, device=self.device)
        if prompt is not None and prompt.shape[-1] != 4 * self.grid:
            prompt = _reduced(prompt.float(), 4 * self.grid)
        sparse, dense = network.prompt_encoder(
            input_points=nowhere, input_labels=none, input_boxes=None, input_masks=prompt
        )
        masks, quality, tokens, score = network.mask_decoder(
            image_embeddings=top,
            image_positional_embeddings=self._image_positions,
            sparse_prompt_embeddings=sparse,
            dense_prompt_embeddings=dense,
            multimask_output=many,
            high_resolution_features=features.high,
        )
        score = score.reshape(())
        seen = score > self.seen
        pointers = network.object_pointer_proj(tokens[0, 0])
        present = seen.to(pointers.dtype)
        pointers = present * pointers + (1 - present) * network.no_object_pointer
        masks = torch.where(seen, masks[0, 0], ABSENT).float()
        # quality and score decide which mask is taken and what is remembered: they pass no gradient
        return Candidates(masks, quality[0, 0].float().detach(), pointers, score.float().detach())

    def remember(self, features: Features, logits: Tensor, score: Tensor, given: bool = False) -> Tensor:
        """Memory n x 1 x c of a frame with an object's logits 1 x 4g x 4g. given: as a given mask (`sharp`)."""
        network, config = self.network, self.config
        large = F.interpolate(logits[None].float(), (self.side, self.side), mode="bilinear", align_corners=False)
        shown = (large > 0).float() if given and self.sharp else torch.sigmoid(large)
        shown = shown * config.sigmoid_scale_for_mem_enc + config.sigmoid_bias_for_mem_enc
        if shown.shape[-1] != 16 * self.grid:
            shown = _reduced(shown, 16 * self.grid)
        raw = features.top.permute(1, 2, 0).reshape(1, -1, self.grid, self.grid)
        memory, place = network.memory_encoder(raw, shown)
        if network.occlusion_spatial_embedding_parameter is not None:
            absent = 1 - (score > 0).float()
            memory = memory + absent * network.occlusion_spatial_embedding_parameter[..., None, None]
        if self.family == "edgetam":
            memory, place = network.spatial_perceiver(memory, place)  # 1 x n x c
            memory, place = memory.transpose(0, 1), place.reshape(1, -1, place.shape[-1]).transpose(0, 1)
        else:
            memory, place = memory.flatten(2).permute(2, 0, 1), place.flatten(2).permute(2, 0, 1)
        if self._positions is None:
            self._positions = place.clone()  # equal for all frames and objects
        kept: Tensor = memory.to(torch.bfloat16) if self.half else memory
        return kept

    def _map(self, flat: Tensor) -> Tensor:
        return flat.permute(1, 2, 0).reshape(1, -1, self.grid, self.grid)

    def _times(self, ago: list[int], span: int, pointers: Tensor) -> Tensor:
        """Temporal encoding of pointers, p x c."""
        network = self.network
        if not self.config.enable_temporal_pos_encoding_for_object_pointers:
            return pointers.new_zeros(len(ago), network.mem_dim)
        half = pointers.shape[-1] // 2
        steps = torch.arange(half, dtype=torch.float32, device=self.device)
        waves = 10000 ** (2 * (steps // 2) / half)
        angles = (torch.tensor(ago, device=self.device) / (span - 1))[:, None] / waves
        encoded: Tensor = network.temporal_positional_encoding_projection_layer(
            torch.cat([angles.sin(), angles.cos()], -1).to(pointers.dtype)
        )
        return encoded


def _reduced(mask: Tensor, side: int) -> Tensor:
    """1 x 1 x H x W -> 1 x 1 x side x side, bilinear with antialias."""
    return F.interpolate(mask, (side, side), mode="bilinear", align_corners=False, antialias=True)
