"""The edge cases on which scoring tools disagree: 60 x 80 pixels, 8 frames unless the name says otherwise.

`edge_answers.json` holds what davis2017-evaluation (ac7c43f, semi-supervised) answers to each: the six statistics of
every object, or how it fails. `write_case` lays a case out as files.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from PIL import Image

from helpers.scoring.clips import write_palette

HEIGHT, WIDTH, FRAMES = 60, 80, 8
Masks = list[np.ndarray]


@dataclass
class Case:
    """Truth and predictions of one video, and what is odd about its files."""

    truth: Masks
    pred: Masks
    names: list[str] = field(default_factory=list)
    absent: tuple[int, ...] = ()
    extra: tuple[str, ...] = ()
    mode: str = "P"

    def __post_init__(self) -> None:
        self.names = self.names or [f"{t:05d}" for t in range(len(self.truth))]


def blank() -> np.ndarray:
    return np.zeros((HEIGHT, WIDTH), np.uint8)


def box(y: int, x: int, h: int, w: int, label: int = 1, onto: np.ndarray | None = None) -> np.ndarray:
    out = blank() if onto is None else onto.copy()
    out[max(y, 0) : y + h, max(x, 0) : x + w] = label
    return out


def moving(frames: int = FRAMES, dy: int = 0, dx: int = 0, label: int = 1) -> Masks:
    """A box with a bite taken out that crosses the frame; wobbles differ from frame to frame."""
    out = []
    for t in range(frames):
        mask = box(12 + dy + t % 5, 10 + dx + 3 * (t % 12), 26, 24 + t % 4, label)
        mask[18 + dy : 24 + dy, 20 + dx : 26 + dx] = 0
        out.append(mask)
    return out


def plain(frames: int = FRAMES) -> Case:
    return Case(moving(frames), [m * (t % 9 != 7) for t, m in enumerate(moving(frames, 2, -3))])


def two(frames: int = FRAMES) -> Masks:
    return [box(5 + t, 50, 20, 22, 2, onto=m) for t, m in enumerate(moving(frames))]


def replaced(masks: Masks, where: Callable[[int], bool], mask: Callable[[np.ndarray], np.ndarray]) -> Masks:
    return [mask(m) if where(t) else m for t, m in enumerate(masks)]


def _empty(mask: np.ndarray) -> np.ndarray:
    return np.zeros_like(mask)


def _pixel(y: int, x: int) -> np.ndarray:
    return box(y, x, 1, 1)


def cases() -> dict[str, Case]:
    """Name -> case; the names are those of the published comparison of five tools."""
    p = plain()
    odd = lambda t: t % 2 == 1  # noqa: E731
    ends = lambda t: t in (0, FRAMES - 1)  # noqa: E731
    noise = np.random.Generator(np.random.PCG64(34))
    full = np.ones((HEIGHT, WIDTH), np.uint8)
    bordered = full.copy()
    bordered[:, WIDTH * 3 // 4 :] = 0
    void = [box(10, 60, 12, 10, 255, onto=m) for m in p.truth]
    late = replaced(two(), lambda t: t < 4, lambda m: m * (m != 2))
    gap = [m + (m == 2) for m in two()]
    hidden = [m * ((m != 2) | (t == 0) | (t > 4)) for t, m in enumerate(two())]
    seen = [m * ((m != 2) | (t > 4)) for t, m in enumerate(two())]
    wider = [np.zeros((HEIGHT, WIDTH + 2), np.uint8) for _ in p.pred]
    only_first = [m * ((m != 2) | (t == 0)) for t, m in enumerate(two())]
    spots = [np.where(noise.random(m.shape) < 0.05, 1 - np.minimum(m, 1), m).astype(np.uint8) for m in p.pred]
    return {
        "01_plain": p,
        "02_first_last_wrong": Case(p.truth, replaced(p.pred, ends, lambda m: 1 - m)),
        "03_both_empty_frames": Case(replaced(p.truth, odd, _empty), replaced(p.pred, odd, _empty)),
        "04_gt_empty_pred_not": Case(replaced(p.truth, odd, _empty), p.pred),
        "05_pred_empty_gt_not": Case(p.truth, replaced(p.pred, odd, _empty)),
        "06_pred_all_empty": Case(p.truth, [_empty(m) for m in p.pred]),
        "07_gt_void255": Case(void, [np.minimum(m + (v == 255), 1) for m, v in zip(p.pred, void)]),
        "08_binary255_gt_only": Case([m * 255 for m in p.truth], p.pred),
        "09_binary255_pred_only": Case(p.truth, [m * 255 for m in p.pred]),
        "10_binary255_both": Case([m * 255 for m in p.truth], [m * 255 for m in p.pred]),
        "11_pred_extra_id": Case(p.truth, [box(50, 60, 5, 5, 2, onto=m) for m in p.truth]),
        "12_pred_missing_top_id": Case(two(), [m * (m == 1) for m in two()]),
        "13_gt_id_gap_1_3": Case(gap, gap),
        "14_gt_id_appears_later": Case(late, late),
        "15_gt_obj_only_first_frame": Case(only_first, only_first),
        "16_obj_hidden_at_start": Case(
            hidden, [box(6 + t, 52, 20, 22, 2, onto=m) * (t > 2) for t, m in enumerate(seen)]
        ),
        "17_missing_frame_mid": Case(p.truth, p.pred, absent=(4,)),
        "18_missing_first_last": Case(p.truth, p.pred, absent=(0, FRAMES - 1)),
        "19_extra_pred_frames": Case(p.truth, p.pred, extra=("00008", "00042")),
        "20_size_mismatch": Case(p.truth, wider),
        "21_pred_rgb": Case(p.truth, p.pred, mode="RGB"),
        "22_pred_1bit": Case(p.truth, p.pred, mode="1"),
        "23_ids_swapped": Case(two(), [np.array([0, 2, 1], np.uint8)[m] for m in two()]),
        "24_three_frames": plain(3),
        "25_two_frames": plain(2),
        "26_single_pixel": Case([_pixel(30, 40)] * FRAMES, [_pixel(30, 41 + t % 2) for t in range(FRAMES)]),
        "27_full_frame": Case([full] * FRAMES, [full] * FRAMES),
        "28_full_vs_border": Case([full] * FRAMES, [bordered] * FRAMES),
        "29_j_exactly_half": Case([box(20, 20, 20, 20)] * FRAMES, [box(20, 20, 20, 10)] * FRAMES),
        "30_long_300_frames": plain(300),
        "31_no_gt_object_in_first": Case(replaced(p.truth, lambda t: t == 0, _empty), p.pred),
        "32_names_start_at_1": Case(p.truth, p.pred, names=[f"{t + 1:05d}" for t in range(FRAMES)]),
        "33_dotted_names": Case(p.truth, p.pred, names=[f"frame.{t:04d}" for t in range(FRAMES)]),
        "34_pred_bg_nonzero_ids_noise": Case(p.truth, spots),
    }


def write_case(case: Case, truth: Path, pred: Path) -> None:
    """The case as two folders of PNG files."""
    for t, name in enumerate(case.names):
        write_palette(truth / f"{name}.png", case.truth[t])
    for t, name in [*enumerate(case.names), *((0, name) for name in case.extra)]:
        if t in case.absent:
            continue
        path = pred / f"{name}.png"
        if case.mode == "P":
            write_palette(path, case.pred[t])
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        image = Image.fromarray(case.pred[t] * (255 if case.mode == "1" else 1))
        image.convert(case.mode).save(path)
