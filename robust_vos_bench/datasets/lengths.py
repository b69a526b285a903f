"""How long videos are, for those who only count."""

from __future__ import annotations

from robust_vos_bench.datasets.dataset import Dataset
from robust_vos_bench.errors import RvosError


def frames_of(data: Dataset, video: str) -> int:
    """Frames of a video; 0 where it is damaged, which it will say itself when its turn comes."""
    try:
        return len(data.video(video))
    except (RvosError, OSError):
        return 0
