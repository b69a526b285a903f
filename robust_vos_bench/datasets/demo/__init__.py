"""The data set `demo`: clips made on the spot from photographs that come with scikit-image; no download."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from robust_vos_bench.datasets.dataset import Dataset
from robust_vos_bench.datasets.demo.clips import clip, clip_fingerprint, clip_names, clip_shape
from robust_vos_bench.datasets.layout import first_appearances, select_videos
from robust_vos_bench.datasets.lazy import Lazy
from robust_vos_bench.datasets.video import Frame, Mask, Truth, Video
from robust_vos_bench.errors import unknown


class Demo(Dataset):
    """Five small clips ("demo"), or seven at 240 ("demo:full") or 480 rows ("demo:480p"), 16:9.

    Things cut out of photographs move over photographs with rotation, scale, bending, shadows, occlusion, drifting
    light and sensor grain; masks are exact. One to three objects; in `visitor` one enters late and ids have gaps.
    Made by integer arithmetic: the same bits on every machine (docs/datasets.md).
    """

    protocol = "ranges"

    def __init__(self, variant: str = "", limit: int | None = None, videos: Sequence[str] | None = None) -> None:
        self.variant = variant
        self.name = "demo" + (f":{variant}" if variant else "")
        self._videos = select_videos(self.name, clip_names(variant), limit, videos)

    @property
    def videos(self) -> Sequence[str]:
        """Clip names."""
        return self._videos

    def with_videos(self, names: Sequence[str] | None) -> Demo:
        """The same variant with these of its clips, or all."""
        return Demo(self.variant, videos=names)

    @property
    def split_size(self) -> int:
        """All clips of the variant."""
        return len(clip_names(self.variant))

    def video(self, name: str) -> Video:
        """One clip; it is made when its frames, prompts or truth are first asked for."""
        self._check(name)
        masks = clip(name, self.variant).masks
        first = first_appearances(masks)
        prompts = {
            t: np.where(np.isin(masks[t], [i for i, at in first.items() if at == t]), masks[t], 0)
            for t in sorted(set(first.values()))
        }
        _, rows, columns = clip_shape(name, self.variant)
        return Video(
            name=name,
            size=(rows, columns),
            frames=_DemoFrames(name, self.variant),
            prompts={t: prompt.astype(np.uint8) for t, prompt in prompts.items()},
            dataset=self.name,
        )

    def truth(self, name: str) -> Truth:
        """Exact masks of one clip."""
        self._check(name)
        count, rows, columns = clip_shape(name, self.variant)
        return Truth(
            video=name,
            size=(rows, columns),
            frame_names=tuple(f"{t:05d}" for t in range(count)),
            masks=_DemoMasks(name, self.variant),
            first_frames=first_appearances(clip(name, self.variant).masks),
        )

    def has_truth(self, name: str) -> bool:
        """Always; nothing is rendered to say so."""
        return True

    def fingerprint(self, name: str) -> str:
        """Digest of the recipe: photographs, outlines, scene, size and the version of the renderer."""
        self._check(name)
        return clip_fingerprint(name, self.variant)

    def _check(self, name: str) -> None:
        if name not in self._videos:
            raise unknown(f"video of {self.name}", name, self._videos)


@dataclass(frozen=True)
class _DemoFrames(Lazy[Frame]):
    """Frames by clip name, so that a pickled video stays small; every access gives a copy of its own."""

    name: str
    variant: str

    def __len__(self) -> int:
        return clip_shape(self.name, self.variant)[0]

    def at(self, t: int) -> Frame:
        """A copy of frame t."""
        return np.array(clip(self.name, self.variant).frames[t])

    def __iter__(self) -> Iterator[Frame]:
        for frame in clip(self.name, self.variant).frames:
            yield frame.copy()


@dataclass(frozen=True)
class _DemoMasks(Lazy["Mask | None"]):
    """Truth by clip name; no `paths`: these masks lie in no file."""

    name: str
    variant: str

    def __len__(self) -> int:
        return clip_shape(self.name, self.variant)[0]

    def at(self, t: int) -> Mask:
        """A copy of the mask of frame t."""
        return np.array(clip(self.name, self.variant).masks[t])
