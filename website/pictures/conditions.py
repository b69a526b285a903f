"""What is done to a video: a condition and its name, modes in time, profiles, severity and strength, the reference."""

from __future__ import annotations

import csv
from pathlib import Path

import cv2
import numpy as np

from robust_vos_bench import Condition, corrupt_video
from robust_vos_bench.conditions import corruptions
from robust_vos_bench.conditions.profile import PROFILES
from robust_vos_bench.datasets.overlay import paint_mask
from robust_vos_bench.datasets.video import source_frame
from website import photograph
from website.pictures.drawing import WIDTH, Drawing
from website.pictures.loss import COLOURS

STRENGTHS = Path(__file__).resolve().parents[2] / "benchmarks" / "strength.csv"
COMPARED = ("gaussian_noise", "motion_blur", "fog", "jpeg_compression", "brightness")


def _frame(condition: Condition, t: int) -> np.ndarray:
    return source_frame(corrupt_video(photograph.clip(), condition).frames, t)


def condition() -> Drawing:
    """A clean frame, the same frame under a condition, and what the parts of its name mean."""
    wide, t = 216.0, 8
    shown = Condition("fog", 3, "drift")
    high = wide * photograph.SIZE[0] / photograph.SIZE[1]
    drawing = Drawing("A frame, and the same frame under the condition fog-3-drift", high + 30)
    drawing.photograph(0, 0, wide, _frame(Condition(), t))
    drawing.photograph(WIDTH - wide, 0, wide, _frame(shown, t))
    drawing.text(wide / 2, high + 24, "clean", "code", "middle")
    drawing.text(WIDTH - wide / 2, high + 24, shown.label, "code", "middle")
    left, right = wide + 14, WIDTH - wide - 14
    drawing.line(left, 30, right - 2, 30)
    drawing.curve([(right - 10, 23), (right - 1, 30), (right - 10, 37)], 0, "arrow")
    for x, part, meaning in ((276, "fog", "corruption"), (366, "3", "severity"), (444, "drift", "in time")):
        drawing.text(x, 74, part, "code large", "middle")
        drawing.brace(x - 34, x + 34, 86, meaning)
    return drawing


def time() -> Drawing:
    """One row of pixels over time, of a picture that does not move, in the three modes of a corruption."""
    gap, title = 12.0, 54.0
    wide = (WIDTH - 3 * gap) / 4
    high = wide * photograph.SIZE[0] / photograph.SIZE[1]
    row = photograph.SIZE[0] // 4
    drawing = Drawing("One row of pixels over time under fog: flickering, still, and drifting", title + high + 6)
    still = photograph.still(frames=48)
    for k, (mode, words) in enumerate(
        (("", "fog"), ("frame", "flickers"), ("video", "stands still"), ("drift", "drifts"))
    ):
        x = k * (wide + gap)
        drawing.text(x, 20, words, "bold")
        drawing.text(x, 44, mode or "the row: white", "code small" if mode else "soft small")
        seen = list(corrupt_video(still, Condition("fog", 5, mode or "drift")).frames)
        if mode:
            over_time = np.stack([frame[row] for frame in seen])
            size = photograph.SIZE[1], photograph.SIZE[0]
            slices = cv2.resize(over_time, size, interpolation=cv2.INTER_NEAREST).astype(np.uint8)
            drawing.photograph(x, title, wide, slices)
        else:
            drawing.photograph(x, title, wide, seen[0])
            drawing.line(x, title + high / 4, x + wide, title + high / 4, "row")
    return drawing


def profiles() -> Drawing:
    """Severity over the frames of a clip, one small chart per profile."""
    gap, high = 18.0, 66.0
    wide = (WIDTH - gap * (len(PROFILES) - 1)) / len(PROFILES)
    drawing = Drawing("Severity over time in the five profiles, at severity 3", high + 62)
    video = photograph.clip()
    for k, profile in enumerate(PROFILES):
        x = k * (wide + gap)
        frames = corrupt_video(video, Condition("fog", 3, "drift", profile=profile)).frames
        levels = getattr(frames, "severities", [3.0] * len(video))
        step = wide / (len(video) - 1)
        drawing.line(x, high + 10, x + wide, high + 10)
        drawing.line(x, 10, x + wide, 10, "grid")
        drawing.curve([(x + t * step, 10 + high * (1 - level / 3)) for t, level in enumerate(levels)], 0)
        drawing.text(x + wide / 2, high + 33, profile, "code small", "middle")
    drawing.text(
        WIDTH, high + 57, "upper line: severity 3 · base: clean · from the first frame to the last", "soft small", "end"
    )
    return drawing


def strength() -> Drawing:
    """PSNR over severity: one severity of two corruptions is not one strength."""
    left, right, top, floor = 44.0, 520.0, 14.0, 250.0
    drawing = Drawing("PSNR against clean frames over severity, of five corruptions", floor + 54)
    first = {name: (spec.temporal or ("",))[0] for name, spec in corruptions().items()}
    values: dict[str, dict[int, float]] = {name: {} for name in COMPARED}
    with STRENGTHS.open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            if row["corruption"] in values and row["temporal"] == first[row["corruption"]]:
                values[row["corruption"]][int(row["severity"])] = float(row["psnr"])

    def at(severity: float, psnr: float) -> tuple[float, float]:
        return left + (right - left) * (severity - 1) / 4, floor - (floor - top) * (psnr - 5) / 30

    for tick in (5, 15, 25, 35):
        y = at(1, tick)[1]
        drawing.line(left, y, right, y, "axis" if tick == 5 else "grid")
        drawing.text(left - 8, y + 6, str(tick), "soft small", "end")
    for severity in range(1, 6):
        drawing.text(at(severity, 5)[0], floor + 24, str(severity), "soft small", "middle")
    drawing.text((left + right) / 2, floor + 48, "severity", "soft small", "middle")
    drawing.text(left + 8, top + 2, "PSNR in dB: higher is milder", "soft small")
    ends = sorted(((levels[5], name) for name, levels in values.items()), reverse=True)
    y = -100.0
    for psnr, name in ends:
        colour = COMPARED.index(name)
        drawing.curve([at(s, v) for s, v in sorted(values[name].items())], colour)
        for s, v in values[name].items():
            drawing.dot(*at(s, v), colour, 5)
        y = max(at(5, psnr)[1] + 6, y + 22)
        drawing.text(right + 14, y, name.replace("_", " "))
    return drawing


def reference() -> Drawing:
    """The frame with the prompt, damaged like all others and left clean."""
    shown, gap, title = (0, 8, 16, 23), 8.0, 30.0
    wide = (WIDTH - gap * (len(shown) - 1)) / len(shown)
    high = wide * photograph.SIZE[0] / photograph.SIZE[1]
    drawing = Drawing("A clip with its first frame damaged, and with its first frame clean", 2 * (title + high) + 40)
    rows = (("every frame damaged (as the presets say)", False), ("clean reference (--clean-reference)", True))
    for row, (words, clean) in enumerate(rows):
        y = row * (title + high + 10)
        drawing.text(0, y + 21, words)
        for k, t in enumerate(shown):
            frame = _frame(Condition("fog", 5, clean_reference=clean), t)
            if t == 0:
                frame = paint_mask(frame, photograph.truth()[0], COLOURS, share=0.45)
            drawing.photograph(k * (wide + gap), y + title, wide, frame)
    drawing.text(0, 2 * (title + high) + 34, "frame 0, with the prompt", "soft small")
    drawing.text(WIDTH, 2 * (title + high) + 34, "frames 8, 16 and 23", "soft small", "end")
    return drawing
