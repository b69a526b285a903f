"""Small data sets in the layouts of SA-V, LVOS, VOST, MOSEv2 and BURST, made from a seed, with predictions.

The numbers that each authors' own script gives for them are in `tests/scoring/authors_numbers.json`, with the commit
and the command they came from. Everything is integer arithmetic on PCG64 draws: the masks are the same everywhere.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from robust_vos_bench.datasets.images import write_mask
from robust_vos_bench.datasets.rle import encode

SEED = 24
Masks = NDArray[np.uint8]


def make(kind: str, root: Path, seed: int = SEED) -> tuple[Path, Path]:
    """Write one data set and its predictions; returns (folder of the data set, folder of predictions)."""
    rng = np.random.default_rng([seed, ["sav", "lvos", "vost", "mosev2", "burst"].index(kind)])
    {"sav": _sav, "lvos": _lvos, "vost": _vost, "mosev2": _mosev2, "burst": _burst}[kind](rng, root)
    return root / "data", root / "predictions"


def blobs(
    rng: np.random.Generator, size: tuple[int, int], frames: int, radii: list[int], gone: dict[int, list[int]]
) -> Masks:
    """Label masks (T, H, W): discs 1..K of these radii that wander; `gone`: object -> frames in which it is absent."""
    height, width = size
    ys, xs = np.mgrid[:height, :width]
    out = np.zeros((frames, height, width), np.uint8)
    for k, radius in enumerate(radii, 1):
        y, x = int(rng.integers(0, height)), int(rng.integers(0, width))
        for t in range(frames):
            y, x = y + int(rng.integers(-4, 5)), x + int(rng.integers(-4, 5))
            if t not in gone.get(k, []):
                out[t][(ys - y) ** 2 + (xs - x) ** 2 * 2 <= radius * radius] = k
    return out


def predicted(rng: np.random.Generator, truth: Masks, empty: tuple[int, ...] = (), wild: bool = True) -> Masks:
    """Predictions: truth shifted by a few pixels, with holes and false parts; nothing in the frames `empty`."""
    out = np.zeros_like(truth)
    ids = [i for i in np.unique(truth).tolist() if i < 255]
    for t, mask in enumerate(truth):
        moved = np.roll(np.where(mask == 255, 0, mask), tuple(rng.integers(-3, 4, 2).tolist()), (0, 1))
        y, x = (int(rng.integers(0, n - 8)) for n in mask.shape)
        moved[y : y + int(rng.integers(1, 8)), x : x + int(rng.integers(1, 8))] = (
            ids[int(rng.integers(len(ids)))] if wild else 0
        )
        if t not in empty:
            out[t] = moved
    return out


def _write(folder: Path, masks: Masks, names: list[str]) -> None:
    folder.mkdir(parents=True)
    for mask, name in zip(masks, names):
        write_mask(folder / f"{name}.png", mask)


def _frames(folder: Path, names: list[str], size: tuple[int, int]) -> None:
    from PIL import Image

    folder.mkdir(parents=True)
    for name in names:
        Image.new("RGB", (size[1], size[0]), (90, 110, 130)).save(folder / f"{name}.jpg")


def _sav(rng: np.random.Generator, root: Path) -> None:
    data, videos = root / "data", ["sav_000001", "sav_000002"]
    for n, video in enumerate(videos):
        size, count = ((60, 91), 33) if n == 0 else ((75, 64), 13)
        _frames(data / "JPEGImages_24fps" / video, [f"{t:05d}" for t in range(count)], size)
        annotated = list(range(0, count, 4))
        for k in range(3):
            # Object 1 is gone and comes back; object 2 leaves after its prompt and is back late.
            gone = {1: []} if k == 0 else {1: [2, 3]} if k == 1 else {1: list(range(1, len(annotated) - 2))}
            own = (blobs(rng, size, len(annotated), [9 + 6 * k], gone) > 0).astype(np.uint8)
            own[0, 5:9, 5:9] = 1
            guess = predicted(rng, own, empty=tuple(range(1, 4)) if k == 2 else (2,) if k == 1 else ())
            names = [f"{t:05d}" for t in annotated]
            _write(data / "Annotations_6fps" / video / f"{k:03d}", own * 255, names)
            _write(root / "predictions" / video / f"{k:03d}", guess, names)
    (data / "sav_val.txt").write_text("\n".join(videos) + "\n")


def _lvos(rng: np.random.Generator, root: Path) -> None:
    data = root / "data" / "valid"
    meta: dict[str, Any] = {"videos": {}}
    # The first two names are on the authors' list of unseen videos.
    for n, video in enumerate(["R3UJGYwy", "K3OUeINk", "aaaaaaaa", "bbbbbbbb"]):
        size, count = ((60, 90), 14) if n % 2 else ((52, 97), 9)
        names = [f"{1 + 5 * t:08d}" for t in range(count)]
        masks = blobs(rng, size, count, [10, 16], {1: [4, 5], 2: [0, 1, 2]})
        masks[0, 10:16, 20:28] = 1
        masks[3, 30:38, 20:30] = 2
        masks[5, 0:6, 0:9] = 255
        _frames(data / "JPEGImages" / video, names, size)
        _write(data / "Annotations" / video, masks, names)
        _write(root / "predictions" / video, predicted(rng, masks, empty=(6,) if n == 0 else ()), names)
        last = 1 + 5 * (count - 1)
        ranges = {"1": (1, last, count), "2": (16, last, count - 3)}
        if n == 2:  # one whose listed length is larger than its range, and one that ends beyond its last frame
            ranges = {"1": (1, last - 10, count), "2": (16, last + 1, count - 3)}
        objects = {i: {"frame_range": {"start": a, "end": b, "frame_nums": c}} for i, (a, b, c) in ranges.items()}
        meta["videos"][video] = {"objects": objects}
    (data / "valid_meta.json").write_text(json.dumps(meta))


def _vost(rng: np.random.Generator, root: Path) -> None:
    data, videos = root / "data", ["cut_apple", "peel_banana", "short"]
    for n, video in enumerate(videos):
        size, count = ((60, 91), 17) if n == 0 else ((48, 64), 11 if n == 1 else 3)
        names = [f"frame{12 + 6 * t:05d}" for t in range(count)]
        masks = blobs(rng, size, count, [12, 14, 8], {2: [5, 6, 7], 3: [0, 1, 2, 3]})  # 3 is late: it does not count
        masks[masks == 3] = 0 if n == 2 else 3
        masks[0, :6, :6], masks[0, 20:30, 30:44] = 1, 2
        masks[1, 40:44, 10:30] = 255
        guess = predicted(rng, masks, empty=(8,), wild=False)
        guess[guess > 2] = 0  # an id beyond the first mask's is an error here, and ignored there
        _frames(data / "JPEGImages" / video, names, size)
        _write(data / "Annotations" / video, masks, names)
        _write(root / "predictions" / video, guess, names)
    (data / "ImageSets").mkdir()
    (data / "ImageSets" / "val.txt").write_text("\n".join(videos) + "\n")


def _mosev2(rng: np.random.Generator, root: Path) -> None:
    data = root / "data" / "valid"
    meta: dict[str, Any] = {"videos": {}}
    for n, video in enumerate(["0a1b2c3d", "1b2c3d4e", "2c3d4e5f"]):
        size, count = ((180, 320), 20) if n == 0 else ((135, 240), 12 if n == 1 else 3)
        names = [f"{t:05d}" for t in range(count)]
        # 1 is gone twice; 2 is gone in the first scored frame; 3 appears late; the last is large.
        gone = {1: [3, 4, 9, 10], 2: [1, 2, 7], 3: [0, 1, 2, 3, 4]}
        masks = blobs(rng, size, count, [14, 22, 5, 60], gone if n < 2 else {})
        masks[0, 60:70, 60:75], masks[0, 80:90, 100:110], masks[0, 100:103, 20:23] = 1, 2, 4
        if n == 1:
            masks[8] = 4  # the whole frame
            masks[9] = 0
        masks[1, 120:125, 10:60] = 255
        _frames(data / "JPEGImages" / video, names, size)
        _write(data / "Annotations" / video, masks, names)
        _write(root / "predictions" / video, predicted(rng, masks, empty=(6, 9)), names)
        objects = sorted({int(i) for i in np.unique(masks)} - {0, 255})
        meta["videos"][video] = {
            "length": count, "height": size[0], "width": size[1], "objects": [str(i) for i in objects]
        }  # fmt: skip
    (data / "meta.json").write_text(json.dumps(meta))


def _burst(rng: np.random.Generator, root: Path) -> None:
    data, size = root / "data", (60, 90)
    sequences = []
    # Two bottles (common) that change places in the prediction, an uncommon class, one that counts as another, and one
    # that only distracts.
    categories = {1: 133, 2: 133, 3: 5, 4: 153, 5: 20}
    for n, (dataset, name) in enumerate([("LaSOT", "one"), ("HACS", "two"), ("BDD", "three")]):
        frames = [f"frame{t + 1:04d}.jpg" for t in range(21)]
        annotated = frames[::4]
        _frames(data / "frames" / "val" / dataset / name, [Path(f).stem for f in frames], size)
        gone = [{1: [3]}, {2: [0, 1], 3: [4]}, {4: list(range(6))}][n]
        own = [blobs(rng, size, len(annotated), [13], {1: gone.get(i, [])}) > 0 for i in categories]
        planes = dict(zip(categories, own))
        planes[2][0] |= planes[1][0] & (n == 0)  # they overlap
        labels = np.zeros((len(annotated), *size), np.uint8)
        for i, mask in planes.items():
            labels[mask] = i
        guess = predicted(rng, labels, empty=(2,) if n == 1 else ())
        if n < 2:
            last = guess[4:]
            guess[4:] = np.where(last == 1, 2, np.where(last == 2, 1, last))
        _write(root / "predictions" / f"{dataset}.{name}", guess, [Path(f).stem for f in annotated])
        sequences.append(
            {
                "width": size[1], "height": size[0], "id": n + 7, "seq_name": name, "dataset": dataset, "fps": 4,
                "all_image_paths": frames, "annotated_image_paths": annotated, "neg_category_ids": [],
                "not_exhaustive_category_ids": [], "track_category_ids": {str(i): c for i, c in categories.items()},
                "segmentations": [
                    {str(i): {"rle": encode(mask[t]), "is_gt": True} for i, mask in planes.items() if mask[t].any()}
                    for t in range(len(annotated))
                ],
            }
        )  # fmt: skip
    document = {
        "sequences": sequences,
        "categories": [{"id": c, "name": f"category {c}"} for c in sorted(set(categories.values()))],
        "split": "val",
    }
    (data / "annotations" / "val").mkdir(parents=True)
    (data / "annotations" / "val" / "all_classes.json").write_text(json.dumps(document))
