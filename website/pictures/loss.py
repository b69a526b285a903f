"""What bad video costs a model: its masks under three corruptions of five severities, with J&F of the whole clip."""

from __future__ import annotations

from functools import cache

import numpy as np

from robust_vos_bench import Condition, corrupt_video, load_adapter
from robust_vos_bench.datasets import Truth
from robust_vos_bench.datasets.overlay import paint_mask
from robust_vos_bench.datasets.video import source_frame
from robust_vos_bench.scoring import ObjectScore, PackedTruth, VideoScorer
from website import photograph
from website.pictures.drawing import WIDTH, Drawing

MODEL, SIZE = "aoc.lite", 304
"""The network, and the rows that it sees: the page speaks of the picture that was drawn at this size."""
CORRUPTIONS = ("motion_blur", "fog", "gaussian_noise")
SEVERITIES = (1, 2, 3, 4, 5)
SHOWN = 15
"""The frame of the clip that pictures show."""
COLOURS = np.resize(np.array([(0, 0, 0), (86, 180, 233)], np.uint8), (256, 3))
"""Sky blue, which stands out from the photograph."""


@cache
def followed(condition: Condition) -> tuple[tuple[np.ndarray, ...], ObjectScore]:
    """The model's masks of the clip under a condition, and their score."""
    video = photograph.clip()
    truth = Truth(video.name, video.size, video.frame_names, photograph.truth(), {1: 0})
    masks = tuple(
        m.copy() for m in load_adapter(MODEL, device="cpu", size=SIZE).segment(corrupt_video(video, condition))
    )
    scorer = VideoScorer(PackedTruth(truth))
    for t, mask in enumerate(masks):
        scorer.add(t, mask)
    return masks, scorer.result()[0]


def loss() -> Drawing:
    """The masks and their J&F."""
    gap, title, number = 8.0, 34.0, 27.0
    wide = (WIDTH - gap * (len(SEVERITIES) - 1)) / len(SEVERITIES)
    high = wide * photograph.SIZE[0] / photograph.SIZE[1]
    top = high + number + 8
    drawing = Drawing(
        f"Masks of {MODEL} on one clip, clean and under three corruptions at five severities, with J&F",
        top + len(CORRUPTIONS) * (title + high + number),
    )
    _tile(drawing, 0, 0, wide, Condition(), "clean: ")
    for k, words in enumerate(
        (
            "One network, one clip.",
            "Blue: the cup as the network finds it, given its",
            "mask in the first frame. Numbers: J&F in %.",
        )
    ):
        drawing.text(wide + 2 * gap, 32 + 27 * k, words, "bold" if k == 0 else "")
    for row, name in enumerate(CORRUPTIONS):
        y = top + row * (title + high + number)
        drawing.text(0, y + 24, name.replace("_", " "), "bold")
        drawing.text(WIDTH, y + 24, "severity 1 to 5", "soft", "end")
        for k, severity in enumerate(SEVERITIES):
            _tile(drawing, k * (wide + gap), y + title, wide, Condition(name, severity))
    return drawing


def _tile(drawing: Drawing, x: float, y: float, width: float, condition: Condition, words: str = "") -> None:
    masks, score = followed(condition)
    frame = source_frame(corrupt_video(photograph.clip(), condition).frames, SHOWN)
    high = drawing.photograph(x, y, width, paint_mask(frame, masks[SHOWN], COLOURS, share=0.45))
    drawing.text(x + width / 2, y + high + 21, f"{words}{100 * score.jf:.0f}", anchor="middle")
