"""JOINT as an adapter: options and weights."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal, get_args

from msgspec import Meta
from torch import nn

from robust_vos_bench.datasets.video import Video
from robust_vos_bench.errors import UsageError
from robust_vos_bench.models.adapter import Checkpoint
from robust_vos_bench.models.checkpoint import load_strict, read_state
from robust_vos_bench.models.torch_adapter import TorchAdapter

from ..common.siblings import hint
from ..encoders.fold import prepare
from .network import JOINT
from .session import JointSession
from .tracker import Settings
from .untrained import UNTRAINED

Protocol = Literal["davis", "youtube-vos"]
PROTOCOLS = get_args(Protocol)
INTERVALS = {"davis": 3, "youtube-vos": 5}


class JointAdapter(TorchAdapter):
    """JOINT with the official settings.

    protocol: the authors' settings for DAVIS or for YouTube-VOS (all frames), which differ in how often a frame is
    remembered. interval: frames between frames that are remembered; None: as published for the protocol. frames:
    remembered frames per object, the given one among them, which bounds the memory. region: height and width to which
    the search region of an object is brought, multiples of 16.
    """

    network: JOINT
    untrained = UNTRAINED

    def __init__(
        self,
        checkpoint: Checkpoint = None,
        device: str = "cpu",
        *,
        protocol: Protocol = "davis",
        interval: Annotated[int, Meta(ge=1)] | None = None,
        frames: Annotated[int, Meta(ge=1)] = 20,
        region: Annotated[tuple[int, int], Meta(ge=16, multiple_of=16)] = (480, 832),
        **options: Any,
    ) -> None:
        if protocol not in PROTOCOLS:
            raise UsageError(f"model 'joint': option protocol is {protocol!r}; it can be {', '.join(PROTOCOLS)}")
        if len(region) != 2:
            raise UsageError(f"model 'joint': option region is {region!r}; give height and width, region=480,832")
        every = INTERVALS[protocol] if interval is None else interval
        self.settings = Settings((region[0], region[1]), every, frames)
        super().__init__(checkpoint, device, **options)
        prepare(self.network, device)

    def build(self) -> nn.Module:
        """The bare network."""
        return JOINT()

    def load(self, network: nn.Module, path: Path) -> None:
        """Load a checkpoint strictly; one of another system is named in the error."""
        state = read_state(path)
        load_strict(network, state, str(path), hint=hint(state, "joint"))

    def session(self, video: Video) -> JointSession:
        """A loop that has seen nothing."""
        return JointSession(self.network, self.settings, self.device, self.precision)
