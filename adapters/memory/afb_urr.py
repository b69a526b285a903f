"""AFB-URR (Liang et al. 2020): every frame goes into feature banks that merge and forget; doubt is refined."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Annotated, Any, Literal, get_args

import numpy as np
import torch
from msgspec import Meta
from torch import Tensor, nn

from robust_vos_bench.datasets.video import Frame, Mask, Video
from robust_vos_bench.errors import UsageError
from robust_vos_bench.models.adapter import Checkpoint
from robust_vos_bench.models.argmax import strongest
from robust_vos_bench.models.torch_adapter import TorchSession

from .adapter import LineAdapter
from .blocks import KeyValue
from .encoders import AddedMaskEncoder, NormalisingEncoder
from .feature_bank import BankRule, FeatureBank
from .network import TOGETHER, Query
from .pillow_sizes import PillowSizes
from .uncertain import UncertainDecoder

EPS = 1e-7
NEVER, ALWAYS = -1000.0, 1000.0
"""Scores of channels that cannot be at a pixel, and of the one that is given there (official)."""

Protocol = Literal["davis", "youtube-vos", "long-videos"]
PROTOCOLS = get_args(Protocol)
UPDATE_RATES = {"davis": 0.1, "youtube-vos": 0.05, "long-videos": 0.05}


@dataclass(frozen=True)
class FineQuery(Query):
    """Features of the current frame, those of stride 2 too."""

    f2: Tensor


class AFBURR(nn.Module):
    """AFB-URR (Liang et al. 2020). Key and value of memory and query come from one pair of convolutions."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder_m = AddedMaskEncoder()
        self.encoder_q = NormalisingEncoder()
        self.keyval_r4 = KeyValue()
        self.decoder = UncertainDecoder()

    def encode_query(self, image: Tensor) -> FineQuery:
        """1 x 3 x H x W in 0..1, H and W multiples of 16."""
        f2 = self.encoder_q.shallow(self.encoder_q.stem(image))
        f16, f8, f4 = self.encoder_q.deeper(f2)
        key, value = self.keyval_r4(f16)
        return FineQuery(key, value, f16, f8, f4, f2)

    def encode_memory(self, image: Tensor, masks: Tensor) -> tuple[Tensor, Tensor]:
        """Key n x 128 x hw and value n x 512 x hw of a frame under the masks n x H x W of all channels, padded."""
        found = []
        for part in masks[:, None].split(TOGETHER):
            f16, _, _ = self.encoder_m.pyramid(image, part, (1 - part).clamp(0, 1))
            found.append(self.keyval_r4(f16))
        key, value = (torch.cat(parts).float().flatten(2) for parts in zip(*found))
        return key, value

    def scores(self, readout: Tensor, query: FineQuery) -> Tensor:
        """Readout n x 512 x h x w -> log odds of each channel n x 16h x 16w."""
        found = self.decoder.probabilities(readout, query.value, query.f8, query.f4, query.f2)
        found = found.float().clamp(EPS, 1 - EPS)
        return torch.log(found / (1 - found))


class AFBURRSession(TorchSession):
    """One video.

    ids: all that will come (their number decides how many channels there are, and the room of each bank); an id that
    is not among them grows the channels when it comes. remembered: frames from the first on that may be remembered;
    the last one of the video never is.
    """

    def __init__(
        self,
        network: AFBURR,
        sizes: PillowSizes,
        ids: Sequence[int],
        rule: BankRule,
        remembered: int,
        device: str = "cpu",
        precision: Callable[[], AbstractContextManager[None]] = torch.no_grad,
    ) -> None:
        super().__init__(precision)
        self.network, self.sizes, self.rule, self.device = network, sizes, rule, device
        self.remembered = remembered
        self.ids.add(np.array(sorted(ids), np.uint8))
        self.began: set[int] = set()
        """Ids that have appeared."""
        self.banks: list[FeatureBank] = []
        """Of the background, then of each id."""
        self.frame = 0
        """Number of the next frame."""
        self.probabilities = torch.empty(0)
        """Of the last frame, (1 + k) x H' x W' at the network's size, without padding."""

    def advance(self, frame: Frame, prompt: Mask | None, last: bool) -> Mask:
        """Labels of the next frame."""
        image = self.sizes.image(frame, self.device)
        new = [] if prompt is None else [int(i) for i in np.unique(prompt) if i and int(i) not in self.began]
        if prompt is not None:
            self.ids.add(prompt)
        scores = self.segment(image) if self.banks else None
        if prompt is not None and new:
            self.began.update(new)
            scores = self.with_given(scores, self.sizes.masks(prompt, self.ids.ids).to(self.device), new)
        assert scores is not None  # `step` refuses a first frame without a prompt
        hidden = [channel for channel, number in enumerate(self.ids.ids, 1) if number not in self.began]
        scores[hidden] = NEVER
        self.probabilities = torch.softmax(scores, 0)
        labels = self.ids.to_original(strongest(self.sizes.enlarged(scores)).cpu().numpy())
        if not last and (new or self.frame < self.remembered):
            self.remember(image, self.probabilities, bool(new))
        self.frame += 1
        return np.where(prompt > 0, prompt, labels) if prompt is not None and new else labels

    def segment(self, image: Tensor) -> Tensor:
        """Scores of all channels (1 + k) x H' x W', without padding."""
        query = self.network.encode_query(image)
        key = query.key[0].float().flatten(1)
        with torch.autocast(key.device.type, enabled=False):
            readout = torch.stack([bank.read(key) for bank in self.banks]).unflatten(2, query.key.shape[-2:])
        scores = self.sizes.unpad(self.network.scores(readout, query))
        unannounced = 1 + len(self.ids) - len(scores)
        return torch.cat([scores, scores.new_full((unannounced, *scores.shape[1:]), NEVER)])

    def with_given(self, scores: Tensor | None, given: Tensor, new: Sequence[int]) -> Tensor:
        """Scores (1 + k) x H' x W' of a frame on which objects appear: all that is left of and under their masks.

        given: masks of all ids, k x H' x W'.
        """
        appears = torch.tensor([number in new for number in self.ids.ids], device=given.device)
        given = (given > 0) & appears[:, None, None]
        anywhere = given.any(0)
        there = torch.where(torch.cat([~anywhere[None], given]), ALWAYS, NEVER)
        if scores is None:
            return there
        scores[1:][appears] = NEVER
        return torch.where(anywhere, there, scores)

    def remember(self, image: Tensor, masks: Tensor, afresh: bool) -> None:
        """Bring a frame into all banks. afresh: all are forgotten first, as official where an object appears."""
        key, value = self.network.encode_memory(image, self.sizes.pad(masks))
        with torch.autocast(key.device.type, enabled=False):
            if afresh:
                self.banks = [FeatureBank(k, v, self.frame) for k, v in zip(key, value)]
                return
            share = self.rule.share(len(self.banks))
            for bank, k, v in zip(self.banks, key, value):
                bank.update(k, v, self.frame, self.rule, share)


class AFBURRAdapter(LineAdapter):
    """AFB-URR with the official settings; every frame is remembered.

    protocol: the authors' loop for DAVIS, for YouTube-VOS (another update rate) or for long videos (the same, and the
    last frame but one is not remembered either). update_rate: weight of new vectors in those that they are merged
    into; None: as published for the protocol. budget: vectors in all banks of a video together, which bounds the
    memory (a frame with more cells than a bank's share is held whole). merge_threshold: cosine of keys above which
    vectors are merged. size: height to which frames of this height or more are brought; None: the frames' own.
    """

    network: AFBURR

    def __init__(
        self,
        checkpoint: Checkpoint = None,
        device: str = "cpu",
        *,
        protocol: Protocol = "davis",
        update_rate: Annotated[float, Meta(ge=0, le=1)] | None = None,
        budget: Annotated[int, Meta(ge=1)] = 300_000,
        merge_threshold: Annotated[float, Meta(ge=-1, le=1)] = 0.95,
        size: Annotated[int, Meta(ge=16)] | None = 495,
        **options: Any,
    ) -> None:
        if protocol not in PROTOCOLS:
            raise UsageError(f"model 'afb_urr': option protocol is {protocol!r}; it can be {', '.join(PROTOCOLS)}")
        self.protocol, self.size = protocol, size
        rate = UPDATE_RATES[protocol] if update_rate is None else update_rate
        self.rule = BankRule(budget, rate, merge_threshold)
        super().__init__(checkpoint, device, **options)

    def build(self) -> nn.Module:
        """The bare network."""
        return AFBURR()

    def session(self, video: Video) -> AFBURRSession:
        """A loop with empty banks."""
        frames = len(video) - (video.first_prompt if video.prompts else 0)
        return AFBURRSession(
            self.network,
            PillowSizes(video.size, self.size),
            video.object_ids,
            self.rule,
            frames - (2 if self.protocol == "long-videos" else 1),
            self.device,
            self.precision,
        )
