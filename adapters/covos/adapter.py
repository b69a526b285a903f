"""The adapter: a base model on the key frames of the coded clip, CoVOS between them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import torch
from msgspec import Meta

from robust_vos_bench.datasets.video import Mask, Video
from robust_vos_bench.errors import UsageError
from robust_vos_bench.models.adapter import Checkpoint, Inside, VOSAdapter
from robust_vos_bench.models.checkpoint import RANDOM, find_also, have_weights, load_strict, read_state
from robust_vos_bench.models.contract import segment_checked
from robust_vos_bench.models.ids import IdMap
from robust_vos_bench.models.inside import entry_inside
from robust_vos_bench.models.options import parse_options
from robust_vos_bench.models.registry import builtin_entries, find_entry, load_adapter
from robust_vos_bench.models.torch_adapter import fill_untrained

from ..encoders.fold import fold_norms
from . import BASES, CARD, LIGHT_ENCODER
from .compensation import decoded
from .key_frames import KeyFrames, base_video, extended
from .network import SLOTS, UNTRAINED, UNUSED, CoVOSNetwork
from .propagation import Propagation
from .sizes import Sizes
from .stream import Picture, codec_version, encode, encoding

PREFIX = "soft_propagation."
Between = Literal["propagated", "warped", "base"]
Preset = Literal["ultrafast", "superfast", "veryfast", "faster", "fast", "medium", "slow", "slower", "veryslow"]


class CoVOSAdapter(VOSAdapter):
    """A base model, and what carries its masks from key frame to key frame.

    base: the model for key frames, as for --model; none: the best one whose weights are here. base_checkpoint: its
    weights; without them, where --checkpoint is random, its own are random too. base_options: its options, NAME=VALUE,
    separated by commas. crf, preset, bframes (at most, between two key frames), keyint: of the encoder, x264.
    codec: the versions that this must be run with; none: those here, which are recorded. size: frames with a longer
    short side are reduced to it for the networks; none: never. cell: pixels a side of the cells in which masks are
    warped where nothing corrects them. between: what makes the masks between key frames; it is part of the variant.
    """

    card = CARD
    untrained = UNTRAINED

    def __init__(
        self,
        checkpoint: Checkpoint = None,
        device: str = "cpu",
        *,
        base: str | None = None,
        base_checkpoint: Path | None = None,
        base_options: tuple[str, ...] = (),
        crf: Annotated[float, Meta(ge=0, le=51)] = 23,
        preset: Preset = "medium",
        bframes: Annotated[int, Meta(ge=0, le=16)] = 4,
        keyint: Annotated[int, Meta(ge=1)] = 250,
        codec: str | None = None,
        size: Annotated[int, Meta(ge=16)] | None = 480,
        cell: Literal[1, 4] = 1,
        between: Between = "propagated",
    ) -> None:
        super().__init__(checkpoint, device)
        if device.startswith("cuda") and not torch.cuda.is_available():
            raise UsageError(f"device {device!r} was asked for, but torch sees no GPU; use --device cpu")
        self.encoding = encoding(crf, preset, bframes, keyint)
        here = codec_version()
        if codec is not None and codec != here:
            raise UsageError(
                f"model 'covos': option codec asks for {codec!r}, but {here!r} is here: its masks would differ. "
                "Install those versions, or leave the option out"
            )
        self.size, self.between = size, between
        self.cell = 4 if between == "propagated" else cell
        self.network = self._network(checkpoint).to(device) if between == "propagated" else None
        given = {"base": base, "base_checkpoint": base_checkpoint, "base_options": base_options}
        inside = self.inside(self.settled(given, checkpoint), checkpoint)
        entry, name = entry_inside("covos", inside)
        self.base = load_adapter(name, inside.checkpoint, device, **parse_options(entry, inside.options))

    @classmethod
    def settled(cls, options: Mapping[str, Any], checkpoint: Checkpoint = None) -> dict[str, Any]:
        """With the base model, and the versions of the codec."""
        known = builtin_entries()
        base = options.get("base") or next(n for n in BASES if n in known and have_weights(known[n].card))
        return {**options, "base": base, "codec": options.get("codec") or codec_version()}

    @classmethod
    def inside(cls, options: Mapping[str, Any], checkpoint: Checkpoint = None) -> Inside:
        """The base model."""
        file = options.get("base_checkpoint")
        if file is None and checkpoint is not None and str(checkpoint) == RANDOM:
            file = RANDOM if find_entry(options["base"]).card.weights else None
        return Inside(options["base"], None if file is None else str(file), tuple(options.get("base_options") or ()))

    def begin(self, condition: str, dataset: str) -> None:
        """Told to the base model, which may be a folder of masks."""
        self.base.begin(condition, dataset)

    def segment(self, video: Video) -> Iterator[Mask]:
        """Masks of each stretch from one key frame to the next, when the base model has segmented the latter."""
        start = video.first_prompt
        for _ in range(start):
            yield np.zeros(video.size, np.uint8)
        frames = (frame for t, frame in enumerate(video.frames) if t >= start)
        stream = encode(frames, self.encoding, video.size, video.fps)
        prompted = [t - start for t in video.prompts]
        every = self.between == "base"
        keys = list(range(len(stream))) if every else extended(stream.keys, prompted, len(stream))
        source = KeyFrames(stream, keys)
        first = {i: t - start for i, t in video.first_frames.items()}
        sizes = Sizes(video.size, self.size if self.network else None, self.cell)
        propagation = Propagation(self.network, sizes, video.size, len(stream), self.device)
        ids, own = IdMap(), self._warnings(len(first))
        past: Picture | None = None
        stretch: dict[int, Picture] = {}
        masks: dict[int, Mask] = {}
        for number, mask in enumerate(segment_checked(self.base, base_video(video, source, start))):
            self.diagnostics = [*self.base.diagnostics, *own]
            if every:
                source.take(number)
                yield mask
                continue
            stretch.update((picture.time, picture) for picture in source.take(number))
            key = stretch[keys[number]]
            if (prompt := video.prompts.get(start + key.time)) is not None:
                ids.add(prompt)
            masks[key.time] = mask
            with torch.no_grad():
                propagation.key(key.time, key.frame, ids.to_dense(mask), len(ids))
                if key.time not in stream.keys:
                    continue
                for t in sorted(stretch.keys() - masks.keys()):
                    assert past is not None  # the first frame of a stream is a key frame
                    said = decoded(stretch[t], past, key, self.network is not None)
                    known = sum(begins <= t for begins in first.values())
                    masks[t] = ids.to_original(propagation.between(t, stretch[t].frame, said, known))
            for t in sorted(masks):
                yield masks[t]
            past = key
            stretch, masks = {}, {}
            propagation.forget(before=key.time)

    def _warnings(self, objects: int) -> list[str]:
        if self.network is None or objects < SLOTS:
            return []
        return [f"{objects} objects: the propagator holds {SLOTS - 1}, so they pass through it by tens (not published)"]

    def _network(self, checkpoint: Checkpoint) -> CoVOSNetwork:
        """The two networks with their weights."""
        with torch.random.fork_rng(devices=[]):  # the initial values are drawn, and thrown away
            network = CoVOSNetwork()
        if checkpoint == RANDOM:
            fill_untrained(network, UNTRAINED)
        elif checkpoint is not None:
            path, light = Path(checkpoint), find_also(CARD, LIGHT_ENCODER)
            state = {name.removeprefix(PREFIX): tensor for name, tensor in read_state(path).items()}
            encoder = {n: t for n, t in read_state(light).items() if not n.startswith(UNUSED)}
            load_strict(network.light_encoder, encoder, str(light))
            held = network.light_encoder
            del network.light_encoder
            load_strict(network, state, str(path))
            network.light_encoder = held
        fold_norms(network)
        return network.eval().requires_grad_(False)
