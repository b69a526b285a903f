"""Which models are measured, in which order, and what their authors say of their speed."""

from __future__ import annotations

from robust_vos_bench.models.registry import builtin_entries

FIRST = ("aot.r50_l", "xmem", "sam2.tiny", "deaot.r50_l", "stcn", "cfbi", "aoc", "cutie.base", "rpcm", "edgetam")
"""Looked at before all others."""
SMALL_MODELS = ("aot.t", "aoc.lite", "covos")
"""Of a dry run: one that gives scores, one with weights of its own, one without scores or the option amp."""

PUBLISHED_FPS: dict[str, tuple[float, str]] = {
    "aot.t": (51.4, "AOT model zoo, V100, DAVIS"),
    "aot.s": (40.0, "AOT model zoo, V100, DAVIS"),
    "aot.b": (29.6, "AOT model zoo, V100, DAVIS"),
    "aot.l": (18.7, "AOT model zoo, V100, DAVIS"),
    "aot.r50_l": (18.0, "AOT model zoo, V100, DAVIS"),
    "aot.swinb_l": (12.1, "AOT model zoo, V100, DAVIS"),
    "deaot.t": (53.4, "AOT model zoo, V100, YouTube-VOS"),
    "deaot.s": (38.7, "AOT model zoo, V100, YouTube-VOS"),
    "deaot.b": (30.4, "AOT model zoo, V100, YouTube-VOS"),
    "deaot.l": (24.7, "AOT model zoo, V100, YouTube-VOS"),
    "deaot.r50_l": (22.4, "AOT model zoo, V100, YouTube-VOS"),
    "deaot.swinb_l": (11.9, "AOT model zoo, V100, YouTube-VOS"),
    "cfbi": (5.88, "CFBI README, V100, DAVIS 2017"),
    "cfbi.plus": (5.52, "CFBI README, V100, DAVIS 2017"),
    "cfbi.mobilenetv2": (6.94, "CFBI README, V100, DAVIS 2017"),
    "stcn": (20.2, "STCN README, 2080 Ti, DAVIS 2017"),
    "xmem": (22.6, "XMem RESULTS.md, DAVIS 2017 (33.9 with AMP)"),
    "rde": (27.0, "RDE README, DAVIS 2017"),
    "swem": (36.0, "SWEM abstract, DAVIS 2017"),
    "cutie.base": (36.4, "EdgeTAM README, V100 (65.0 on an A100, compiled)"),
    "edgetam": (150.9, "EdgeTAM README, A100, compiled"),
    "sam2.tiny": (47.2, "SAM 2 README, A100"),
    "sam2.small": (43.3, "SAM 2 README, A100 (53.0 compiled)"),
    "sam2.base_plus": (34.8, "SAM 2 README, A100 (43.8 compiled; EdgeTAM README: 64.1)"),
    "sam2.large": (24.2, "SAM 2 README, A100 (30.2 compiled)"),
}
"""Frames per second that authors report on their GPU, with the source. No figure here was measured by this project."""


def networks(small: bool = False) -> list[str]:
    """Every built-in network, the first ones first, one of each class before the variants; none of its copies."""
    if small:
        return list(SMALL_MODELS)
    entries = {
        name: entry
        for name, entry in builtin_entries().items()
        if entry.card.weights and not name.endswith("-corrupted")
    }
    rest: list[str] = []
    later: list[str] = []
    classes = {entries[name].target for name in FIRST}
    for name, entry in entries.items():
        if name in FIRST:
            continue
        (later if entry.target in classes else rest).append(name)
        classes.add(entry.target)
    return [*FIRST, *rest, *later]


def one_of_each(small: bool = False) -> list[str]:
    """One model of each class, the first of `networks`; of lite models one of each network."""
    entries, seen, found = builtin_entries(), set(), []
    for name in networks(small):
        kind = (entries[name].target, name if ".lite" in name else name.partition(".")[0])
        if kind not in seen:
            seen.add(kind)
            found.append(name)
    return found
