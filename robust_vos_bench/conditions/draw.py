"""Keyed randomness: every draw is a function of what is corrupted, never of who computes it or when."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np


def key_entropy(*parts: object) -> int:
    """256 bits from the parts' text; equal on any machine and Python."""
    text = "\x1f".join(str(part) for part in parts)
    return int.from_bytes(hashlib.sha256(text.encode()).digest(), "little")


@dataclass(frozen=True)
class Draw:
    """What one frame of a corrupted clip may draw from, and where in the clip it stands."""

    corruption: str
    version: int
    severity: int
    seed: int
    dataset: str
    video: str
    frame: int
    """Index of this frame, 0-based."""
    num_frames: int
    fps: float = 24.0
    temporal: str = "frame"
    """"frame": `rng` is fresh each frame; "video" and "drift": `rng` is the same on every frame of the video."""

    def rng(self, stream: str = "") -> np.random.Generator:
        """A fresh generator for this frame (mode "frame") or for the whole video (modes "video", "drift").

        stream names independent sources within one corruption ("angle", "flakes").
        """
        return self._generator(stream, self.frame if self.temporal == "frame" else None)

    def video_rng(self, stream: str = "") -> np.random.Generator:
        """A fresh generator that is the same on every frame of the video, whatever the mode."""
        return self._generator(stream, None)

    def frame_rng(self, stream: str = "") -> np.random.Generator:
        """A fresh generator of this frame alone, whatever the mode (sensor noise)."""
        return self._generator(stream, self.frame)

    def _generator(self, stream: str, frame: int | None) -> np.random.Generator:
        entropy = key_entropy(
            self.corruption,
            self.version,
            self.severity,
            self.seed,
            self.dataset,
            self.video,
            "video" if frame is None else frame,
            stream,
        )
        return np.random.Generator(np.random.PCG64(np.random.SeedSequence(entropy)))
