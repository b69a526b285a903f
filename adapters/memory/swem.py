"""SWEM (Lin et al. 2022): every frame is remembered, in bases of constant number that soft clustering fits."""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
import torch.nn.functional as F
from msgspec import Meta
from torch import Tensor, nn

from robust_vos_bench.conditions.draw import key_entropy
from robust_vos_bench.datasets.video import Frame, Mask, Video
from robust_vos_bench.errors import UsageError
from robust_vos_bench.models.adapter import Checkpoint
from robust_vos_bench.models.argmax import strongest
from robust_vos_bench.models.checkpoint import RANDOM, read_state
from robust_vos_bench.models.torch_adapter import TorchSession

from ..common.tensors import aggregate, image_tensor
from . import em
from .adapter import LineAdapter
from .encoders import with_other_objects
from .network import Query
from .swem_network import SWEM
from .swem_sizes import SIZE_RULES, SizeRule, network_size

FirstKeys = Callable[[int], Tensor]
"""Original id of an object -> keys of its first bases, 2 x 128 x L, normalised."""


def drawn_keys(seed: int, video: str, count: int, object_id: int) -> Tensor:
    """Keys of an object's first bases, 2 x 128 x count: normal, deviation sqrt(2 / count), then of length one.

    The stream depends on seed, video and object alone: neither the order of videos nor other objects change it. (The
    official code draws from torch's global state, once seeded for all videos.)
    """
    entropy = key_entropy("swem.bases", seed, video, object_id)
    generator = np.random.Generator(np.random.PCG64(np.random.SeedSequence(entropy)))
    normal = generator.standard_normal((2, 128, count)) * math.sqrt(2 / count)
    return em.unit(torch.from_numpy(normal.astype(np.float32)), 1)


class SWEMSession(TorchSession):
    """One video.

    size: (H, W) of its frames. inner: (H, W) of the network's image, multiples of 16. first_keys: where the bases of a
    new object begin.
    """

    def __init__(
        self,
        network: SWEM,
        size: tuple[int, int],
        inner: tuple[int, int],
        first_keys: FirstKeys,
        iterations: int = 4,
        tau: float = 0.05,
        device: str = "cpu",
        precision: Callable[[], AbstractContextManager[None]] = torch.no_grad,
    ) -> None:
        super().__init__(precision)
        self.network, self.size, self.inner, self.device = network, size, inner, device
        self.first_keys, self.iterations, self.tau = first_keys, iterations, tau
        self.first: em.Bases | None = None
        """After the frame on which each object came; it does not change later."""
        self.latest: em.Bases | None = None
        """After the last frame that was remembered, from the second on."""
        self.probabilities = torch.empty(0)
        """Of the last frame, (1 + k) x H x W."""

    def advance(self, frame: Frame, prompt: Mask | None, last: bool) -> Mask:
        """Labels of the next frame."""
        image = image_tensor(frame, self.device)
        if self.inner != self.size:
            image = F.interpolate(image, self.inner, mode="bicubic", align_corners=False, antialias=False)
        query = self.network.encode_query(image)
        found = self.predict(query) if self.first is not None else None
        new = [] if prompt is None else self.ids.add(prompt)
        if prompt is not None and new:
            given = torch.from_numpy(np.array(prompt)).to(self.device)
            masks = torch.stack([(given == i).float() for i in new])
            found = self.joined(found, masks)
        assert found is not None  # `step` refuses a first frame without a prompt
        labels = strongest(found)
        if not last:
            self.remember(image, query, found, labels, new)
        self.probabilities = found
        mask = self.ids.to_original(labels.cpu().numpy())
        return np.where(prompt > 0, prompt, mask) if prompt is not None and new else mask

    def predict(self, query: Query) -> Tensor:
        """Aggregated probabilities (1 + k) x H x W at the size of the frames."""
        key = query.key
        with torch.autocast(key.device.type, enabled=False):
            banks = [bank for bank in (self.first, self.latest) if bank is not None]
            readout, shares = em.read(banks, key.float()[0].flatten(1), self.network.top_l, self.tau)
        grid = key.shape[-2:]
        logits = self.network.logits(readout.unflatten(2, grid), shares.unflatten(2, grid), query, self.size)
        return aggregate(torch.sigmoid(logits.float()))

    def joined(self, found: Tensor | None, masks: Tensor) -> Tensor:
        """Shares of all channels, with the given masks of new objects behind; nothing else is left under them."""
        anywhere = masks.sum(0)
        if found is None:
            found = (1 - anywhere)[None]
        return torch.cat([found * (anywhere == 0), masks])

    def remember(self, image: Tensor, query: Query, shares: Tensor, labels: Tensor, new: list[int]) -> None:
        """Fit the bases to one more frame."""
        begins = self.first is None
        resized = self._resized(shares, self.inner, "nearest" if begins else "bilinear")
        value = self.network.values(image, query, resized)
        grid = query.key.shape[-2:]
        hard = torch.stack([(labels == i + 1).float() for i in range(len(self.ids))])
        hard = self._resized(hard, grid, "nearest")
        # the given masks of the first frame come down in one step, all others by way of the network's size (official)
        soft = self._resized((shares if begins else resized)[1:], grid, "bilinear")
        masks = torch.stack([(1 - hard) * (1 - soft), hard * soft], 1).flatten(2)
        with torch.autocast(query.key.device.type, enabled=False):
            bases = self._before(new)
            key, value = query.key.float()[0].flatten(1), value.float().flatten(2)
            bases = em.update(bases, key, value, masks, self.iterations, self.tau)
        if self.first is None:
            self.first = bases
            return
        if new:
            self.first = self.first.with_objects(bases.objects(slice(-len(new), None)))
        self.latest = bases

    def _before(self, new: list[int]) -> em.Bases:
        """The bases that the next fit begins with, those of new objects behind."""
        old = self.first if self.latest is None else self.latest
        if not new:
            assert old is not None
            return old
        keys = torch.stack([self.first_keys(i) for i in new]).to(self.device)
        fresh = em.Bases.empty(keys, 512)
        return fresh if old is None else old.with_objects(fresh)

    @staticmethod
    def _resized(maps: Tensor, size: tuple[int, int] | torch.Size, mode: str) -> Tensor:
        """n x H x W -> n x size."""
        if mode == "nearest":
            return F.interpolate(maps[:, None], size, mode=mode)[:, 0]
        return F.interpolate(maps[:, None], size, mode=mode, align_corners=False)[:, 0]


class SWEMAdapter(LineAdapter):
    """SWEM with the official settings.

    protocol: the authors' size rule for DAVIS, 480 x 864 whatever the frames are, or the one for YouTube-VOS, short
    side to 480. size: another short side; None: the frames' own, to multiples of 16. n_bases: bases per object and
    side, which bound the memory. em_iterations, tau: of the fit. seed: of the first bases.
    """

    network: SWEM

    def __init__(
        self,
        checkpoint: Checkpoint = None,
        device: str = "cpu",
        *,
        protocol: SizeRule = "davis",
        size: Annotated[int, Meta(ge=16)] | None = 480,
        n_bases: Annotated[int, Meta(ge=1)] = 128,
        em_iterations: Annotated[int, Meta(ge=1)] = 4,
        tau: Annotated[float, Meta(gt=0)] = 0.05,
        seed: int = 0,
        **options: Any,
    ) -> None:
        if protocol not in SIZE_RULES:
            raise UsageError(f"model 'swem': option protocol is {protocol!r}; it can be {', '.join(SIZE_RULES)}")
        self.protocol, self.size, self.n_bases, self.seed = protocol, size, n_bases, seed
        self.em_iterations, self.tau = em_iterations, tau
        super().__init__(checkpoint, device, **options)
        if n_bases < self.network.top_l:
            raise UsageError(
                f"model 'swem': option n_bases is {n_bases}; the weights look at the {self.network.top_l} best bases, "
                "so that it must be at least that"
            )

    def build(self) -> nn.Module:
        """The bare network, that looks at as many bases as the checkpoint's."""
        if self.checkpoint is None or self.checkpoint == RANDOM:
            return SWEM()
        weight = read_state(Path(self.checkpoint)).get("swem_core.fusion_layer.layer_f.weight")
        if weight is None or weight.ndim != 4 or weight.shape[1] <= 1024 or weight.shape[1] % 2:
            return SWEM()  # the loader names what is missing
        return SWEM((weight.shape[1] - 1024) // 2)

    def official(self, state: dict[str, Tensor]) -> dict[str, Tensor]:
        """A file of the stage with single objects gets zeros for the others (the official loader draws random ones)."""
        return with_other_objects(state)

    def session(self, video: Video, first_keys: FirstKeys | None = None) -> SWEMSession:
        """A loop without bases. first_keys: recorded ones, to be compared with another implementation."""
        return SWEMSession(
            self.network,
            video.size,
            network_size(video.size, self.protocol, self.size),
            first_keys or partial(drawn_keys, self.seed, video.name, self.n_bases),
            self.em_iterations,
            self.tau,
            self.device,
            self.precision,
        )
