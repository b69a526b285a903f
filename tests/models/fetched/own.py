"""Small models whose weights lie on hosts that the loopback plays: given to commands as `own.py:Class`."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from robust_vos_bench.datasets.video import Frame, Mask, Video
from robust_vos_bench.fetch import DriveFile, DriveFolder, HubFile, Url, release
from robust_vos_bench.models import ModelCard, StreamingAdapter, Weights
from robust_vos_bench.models.adapter import Checkpoint
from robust_vos_bench.models.checkpoint import find_also, load_strict, read_state

DRIVE_ID = "1mRrE0uCI2ktdWlUgapJI_KmgeIiF2eOm"
FOLDER_ID = "1QYsog7zNzcxGXTGBzEhMUg8QVJwZB6D1"


def network() -> torch.nn.Module:
    """7 numbers."""
    return torch.nn.Linear(3, 1, bias=True)


class Model(StreamingAdapter):
    """Repeats the prompt, where its weights load strictly."""

    def __init__(self, checkpoint: Checkpoint = None, device: str = "cpu") -> None:
        super().__init__(checkpoint, device)
        assert checkpoint is not None
        load_strict(network(), read_state(Path(checkpoint)), str(checkpoint))

    def reset(self, video: Video) -> None:
        """Nothing yet."""
        self._mask = np.zeros(video.size, np.uint8)

    def step(self, frame: Frame, prompt: Mask | None, last: bool) -> Mask:
        """The last prompt."""
        if prompt is not None:
            self._mask = prompt
        return self._mask.copy()


class Released(Model):
    """On GitHub, with a second file."""

    card = ModelCard(
        "released",
        license="MIT",
        weights=(
            Weights("tiny.pth", links=(release("owner/name", "v1.0", "tiny.pth"),)),
            Weights("other.pth", links=(release("owner/name", "v1.0", "other.pth"),)),
        ),
    )


class Driven(Model):
    """On Google Drive, for non-commercial use."""

    card = ModelCard(
        "driven",
        license="CC BY-NC-SA 4.0",
        weights=(Weights("tiny.pth", links=(DriveFile(DRIVE_ID),), non_commercial=True),),
    )


class InFolder(Model):
    """In a folder of Google Drive, after a link that is dead."""

    card = ModelCard(
        "infolder",
        weights=(Weights("tiny.pth", links=(Url("https://example.org/gone"), DriveFolder(FOLDER_ID, "tiny.pth"))),),
    )


class Hubbed(Model):
    """On the Hub."""

    card = ModelCard(
        "hubbed", license="Apache-2.0", weights=(Weights("tiny.pth", links=(HubFile("owner/name", "*.pth"),)),)
    )


class Pickled(Model):
    """Published with objects inside."""

    card = ModelCard(
        "pickled",
        weights=(
            Weights("tiny.safetensors", links=(Url("https://example.org/tiny.pth.tar"),), original="tiny.pth.tar"),
        ),
    )


class Backed(Model):
    """With a file beside its checkpoint."""

    card = ModelCard(
        "backed",
        weights=(Weights("tiny.pth", links=(release("owner/name", "v1.0", "tiny.pth"),)),),
        also=(Weights("backbone.pth", links=(Url("https://example.org/backbone.pth"),)),),
    )

    def __init__(self, checkpoint: Checkpoint = None, device: str = "cpu") -> None:
        super().__init__(checkpoint, device)
        find_also(self.card, "backbone.pth")
