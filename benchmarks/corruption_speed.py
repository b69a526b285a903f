"""Speed of the ImageNet-C corruptions on one core: `imagecorruptions-imaug` against ours, same frame, 854 x 480.

    python benchmarks/corruption_speed.py [--repeats 15] [--corruption fog,snow] [--write FILE.md]
    python benchmarks/corruption_speed.py --device cuda [--batch 9] [--write benchmarks/corruptions-cuda.md]

Both sides run in turn (reference, ours, reference, ours ...) on one thread; figures are medians of the process's CPU
time a frame, so that other work on the machine disturbs them little and both alike. Compilation and tables are made
before the clock starts: they are paid once per process.

--device: instead, our CPU code (one frame after another, one thread) against the batches of `--corrupt-device`, in
milliseconds of wall time a frame. The device's time holds all that a run pays: drawing words on the host, the copy
there, the work, the copy back. "--device cpu" only shows that this measurement works.
"""

from __future__ import annotations

import argparse
import platform
import statistics
import time
import warnings
from importlib.metadata import version
from pathlib import Path

import cv2
import numpy as np
from ours import reference

from robust_vos_bench.conditions import Draw, corruptions, find_corruption, load_preset
from robust_vos_bench.conditions.batch import batch_size, corrupt_batch, find_device

WIDTH, HEIGHT = 854, 480
HOT = ("zoom_blur", "glass_blur", "brightness", "saturate", "elastic_transform", "shot_noise")


def photograph() -> np.ndarray:
    """A natural frame that comes with scikit-image, RGB uint8 480 x 854 x 3."""
    from skimage.data import coffee

    return np.ascontiguousarray(cv2.resize(coffee(), (WIDTH, HEIGHT), interpolation=cv2.INTER_AREA))


def measure(name: str, severity: int, frame: np.ndarray, repeats: int) -> tuple[float, float]:
    """Median milliseconds per frame of (reference, ours)."""
    spec = find_corruption(name)
    times: tuple[list[float], list[float]] = ([], [])
    for turn in range(repeats + 1):
        draw = Draw(name, spec.version, severity, 0, "benchmark", "coffee", turn, repeats + 1)
        start = time.process_time()
        reference(name, frame, severity, turn)
        between = time.process_time()
        spec.function(frame, float(severity), draw)
        end = time.process_time()
        if turn:
            times[0].append(1e3 * (between - start))
            times[1].append(1e3 * (end - between))
    return statistics.median(times[0]), statistics.median(times[1])


def measure_batch(name: str, severity: int, frame: np.ndarray, repeats: int, device: str, size: int) -> list[float]:
    """Median milliseconds per frame of [CPU code, batches on the device]; both make the same frames."""
    spec = find_corruption(name)
    if spec.batch is None:
        raise SystemExit(f"{name} has no batch implementation")
    frames, times = [frame] * size, ([], [])  # type: tuple[list[np.ndarray], tuple[list[float], list[float]]]
    for turn in range(repeats + 1):
        clip = f"coffee {turn}"
        draws = [Draw(name, spec.version, severity, 0, "benchmark", clip, t, size) for t in range(size)]
        start = time.perf_counter()
        here = [spec.function(frame, float(severity), draw) for frame, draw in zip(frames, draws)]
        between = time.perf_counter()
        there = list(corrupt_batch(spec.batch, frames, [float(severity)] * size, draws, device))
        end = time.perf_counter()
        if turn:
            times[0].append(1e3 * (between - start) / size)
            times[1].append(1e3 * (end - between) / size)
        far = max(int(np.abs(a.astype(int) - b).max()) for a, b in zip(here, there))
        if far > 1:
            print(f"{name} {severity}: frames differ by up to {far} grey levels", flush=True)
    return [statistics.median(column) for column in times]


def device_table(rows: list[tuple[str, int, float, float]]) -> str:
    """Markdown: CPU / device (ratio) at each severity, and where the device pays."""
    severities = sorted({severity for _, severity, _, _ in rows})
    lines = ["| corruption | " + " | ".join(f"severity {s}" for s in severities) + " |"]
    lines.append("|---" * (len(severities) + 1) + "|")
    pays = []
    for name in dict.fromkeys(name for name, *_ in rows):
        own = {severity: (cpu, there) for n, severity, cpu, there in rows if n == name}
        cells = [f"{a:.2f} / {b:.2f} = {a / b:.2f}x" for a, b in own.values()]
        cells += [""] * (len(severities) - len(cells))
        lines.append(f"| {name} | {' | '.join(cells)} |")
        if all(cpu > there for cpu, there in own.values()):
            pays.append(name)
    return "\n".join([*lines, "", f"Faster on the device at every severity measured: {', '.join(pays) or 'none'}."])


def on_device(arguments: argparse.Namespace) -> None:
    """`--device`: measure, print, and write the table where asked to."""
    import torch

    place = find_device(arguments.device)
    torch.set_num_threads(1)
    frame = photograph()
    size = arguments.batch or batch_size((HEIGHT, WIDTH))
    offered = [name for name, spec in corruptions().items() if spec.batch is not None]
    rows = []
    for name in [name for name in arguments.corruption.split(",") if name] or offered:
        for severity in map(int, arguments.severity.split(",")):
            if severity <= find_corruption(name).levels:
                cpu, there = measure_batch(name, severity, frame, arguments.repeats, arguments.device, size)
                rows.append((name, severity, cpu, there))
                print(f"{name:18} {severity}  {cpu:7.2f} ms  {there:7.2f} ms  {cpu / there:6.2f}x", flush=True)
    text = device_table(rows)
    print(text)
    if arguments.write:
        what = torch.cuda.get_device_name(place) if place.type == "cuda" else f"{platform.machine()} CPU, one thread"
        head = (
            f"# Corruptions in batches on a device\n\nMilliseconds a frame of {WIDTH} x {HEIGHT}: our code on one core "
            f"/ batches of {size} on {what}, transfer and random words included = ratio. Medians of "
            f"{arguments.repeats}; made by `python benchmarks/corruption_speed.py --device {arguments.device}` with "
            f"torch {torch.__version__}.\n\n"
        )
        arguments.write.write_text(head + text + "\n", encoding="utf-8")


def table(rows: list[tuple[str, int, float, float]]) -> str:
    """Markdown: reference / ours (ratio) at each severity, and the summary line."""
    severities = sorted({severity for _, severity, _, _ in rows})
    lines = [
        "| corruption | " + " | ".join(f"severity {s}" for s in severities) + " | geometric mean |",
        "|---" * (len(severities) + 2) + "|",
    ]
    for name in dict.fromkeys(name for name, *_ in rows):
        own = [row for row in rows if row[0] == name]
        mean = np.exp(np.mean([np.log(ref / our) for _, _, ref, our in own]))
        cells = " | ".join(f"{ref:.1f} / {our:.1f} = {ref / our:.1f}x" for _, _, ref, our in own)
        lines.append(f"| {name} | {cells} | {mean:.1f}x |")
    ratios = {(name, severity): ref / our for name, severity, ref, our in rows}
    mean = np.exp(np.mean(np.log(list(ratios.values()))))
    slow = min(ratios, key=lambda key: ratios[key])
    lines += [
        "",
        f"Geometric mean over {len(rows)}: **{mean:.1f}x**; slowest: {slow[0]} {slow[1]}, {ratios[slow]:.2f}x.",
    ]
    hot = {key: ratio for key, ratio in ratios.items() if key[0] in HOT}
    if hot:
        least = min(hot, key=lambda key: hot[key])
        lines.append(f"Slowest of the hot ones ({', '.join(HOT)}): {least[0]} {least[1]}, {hot[least]:.1f}x.")
    return "\n".join(lines)


def main() -> None:
    """Measure, print, and write the table where asked to."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=15)
    parser.add_argument("--corruption", default="")
    parser.add_argument("--severity", default="1,2,3,4,5")
    parser.add_argument("--write", type=Path)
    parser.add_argument("--device", default="", help="measure batches on this torch device against our CPU code")
    parser.add_argument("--batch", type=int, default=0, help="frames in a batch; default: as in a run")
    arguments = parser.parse_args()
    cv2.setNumThreads(1)
    if arguments.device:
        on_device(arguments)
        return
    warnings.simplefilter("ignore")
    every = [*load_preset("common").corruptions, *load_preset("common-extra").corruptions]
    names = [name for name in arguments.corruption.split(",") if name] or every
    frame = photograph()
    rows = []
    for name in names:
        for severity in map(int, arguments.severity.split(",")):
            ref, our = measure(name, severity, frame, arguments.repeats)
            rows.append((name, severity, ref, our))
            print(f"{name:18} {severity}  {ref:7.1f} ms  {our:6.1f} ms  {ref / our:6.1f}x", flush=True)
    text = table(rows)
    print(text)
    if arguments.write:
        packages = ", ".join(
            f"{package} {version(package)}" for package in ("imagecorruptions-imaug", "numpy", "opencv-python", "numba")
        )
        head = (
            "# Speed of the ImageNet-C corruptions\n\nMilliseconds a frame of 854 x 480 on one core: reference "
            "(`imagecorruptions-imaug`) / ours = ratio. CPU time; where other work shares the machine both sides rise "
            f"alike. Interleaved medians of {arguments.repeats}, fresh randomness on every frame; made "
            "by `python benchmarks/corruption_speed.py --write benchmarks/corruption_speed.md` with "
            f"Python {platform.python_version()}, {packages}, {platform.machine()}.\n\n"
        )
        tail = (
            "\n\nBatches on a GPU (`--corrupt-device`) have not been measured; "
            "`python benchmarks/corruption_speed.py --device cuda` does it.\n"
        )
        arguments.write.write_text(head + text + tail, encoding="utf-8")


if __name__ == "__main__":
    main()
