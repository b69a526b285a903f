"""Statistics of one object over its frames: whether it was lost, how it recovered, how stable its mask is.

J by frame and saved masks stay in the run directory; these few numbers per object travel with a packed result.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import replace

import msgspec

from robust_vos_bench.analysis.formulas import Recovery, lost_at, recovery
from robust_vos_bench.analysis.stability import StabilityCache
from robust_vos_bench.conditions import Condition, condition_fingerprint, hit_frames
from robust_vos_bench.errors import UsageError
from robust_vos_bench.runs.records import ConditionRecord, FrameScores, Manifest, UnitRecord
from robust_vos_bench.runs.store import RunStore


class ObjectStats(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """One object of one video under one condition."""

    condition: str
    video: str
    object: int
    lost: bool = False
    """J stays below 0.1 from some frame to the end."""
    recovery: Recovery | None = None
    """Under a burst that has scored frames before and after it, where the clean run is there to compare with."""
    stability: float | None = None
    """Mean IoU with the clean run's mask, where both runs' masks were saved and pixels did not move."""
    scored: bool = True
    """Whether there is a truth that it is scored against; without one, only `stability` says anything."""


def object_stats(
    store: RunStore, manifest: Manifest, model: str, records: Mapping[str, Mapping[str, UnitRecord]] | None = None
) -> tuple[ObjectStats, ...]:
    """Statistics of every object of one model, of videos without truth their stability only.

    Comparing saved masks is slow once, then remembered. records: condition label -> video -> record, where they have
    been read already. Raises DataError for a damaged mask.
    """
    if records is None:
        records = {c.label: store.records(c.label, model) for c in manifest.conditions}
    clean_label = manifest.clean.label if manifest.clean else ""
    clean_records = records.get(clean_label, {})
    clean = scored_tracks(store, clean_label, model, clean_records) if clean_label else {}
    cache = StabilityCache(store, manifest, model)
    found: list[ObjectStats] = []
    for condition in manifest.conditions:
        label = condition.label
        tracks = clean if label == clean_label else scored_tracks(store, label, model, records[label])
        burst = burst_of(condition)
        for video in manifest.videos:
            record = records[label].get(video)
            if record is None or not record.ok:
                continue
            if not record.objects:
                stable = cache.values(label, video, record, clean_records.get(video), None)
                found += [
                    ObjectStats(condition=label, video=video, object=i, stability=v, scored=False)
                    for i, v in sorted(stable.items())
                ]
                continue
            own = {o.object: tracks[video, o.object] for o in record.objects if (video, o.object) in tracks}
            stable = cache.values(label, video, record, clean_records.get(video), own)
            found += [
                ObjectStats(
                    condition=label,
                    video=video,
                    object=i,
                    lost=lost_at(track.j) is not None,
                    recovery=_recovery(track, clean.get((video, i)), burst, manifest, record),
                    stability=stable.get(i),
                )
                for i, track in sorted(own.items())
                if track.j  # none in a video without a scored frame
            ]
    cache.save()
    return tuple(found)


def scored_tracks(
    store: RunStore, label: str, model: str, records: Mapping[str, UnitRecord]
) -> dict[tuple[str, int], FrameScores]:
    """(video, object) -> J and F by frame, of the objects that the cell's records score.

    The file is only ever appended to, so it may also hold objects that are no longer in the truth and videos that
    fail now.
    """
    scored = {(r.video, o.object) for r in records.values() if r.ok for o in r.objects if o.frames}
    return {key: track for key, track in store.frame_scores(label, model).items() if key in scored}


def burst_of(condition: ConditionRecord) -> Condition | None:
    """The condition where its severity is a burst whose frames are known here, else None.

    Another version of the corruption, or one that is not installed, may have put the burst elsewhere.
    """
    if condition.profile != "burst":
        return None
    try:
        made = condition.condition
    except UsageError:  # not installed
        return None
    return made if condition_fingerprint(made) == condition.fingerprint else None


def burst_frames(condition: Condition, manifest: Manifest, video: str, frames: int) -> range:
    """The frames of a video of so many frames that the burst reaches."""
    hit = hit_frames(condition, manifest.dataset.name, video, frames)
    return range(int(hit[0]), int(hit[-1]) + 1) if hit.size else range(0)


def _recovery(
    track: FrameScores, clean: FrameScores | None, burst: Condition | None, manifest: Manifest, record: UnitRecord
) -> Recovery | None:
    if burst is None:
        return None
    hit = burst_frames(burst, manifest, track.video, record.frames)
    frames = list(track.frames)
    start, end = bisect_left(frames, hit.start), bisect_left(frames, hit.stop)
    if clean is None or list(clean.frames) != frames:
        return None
    if not hit or not 0 < start < end < len(frames):
        return None
    found = recovery(track.j, clean.j, start, end)
    if found.frames is None:
        return found
    return replace(found, frames=frames[end + found.frames] - hit.stop)  # frames of the video, not only scored ones


def verify_object_stats(objects: Sequence[ObjectStats], units: set[tuple[str, str]]) -> str:
    """What is impossible about the object statistics of a result whose scored units are given, or ""."""
    for stats in objects:
        where = f"{stats.condition} · {stats.video}, object {stats.object}"
        if (stats.condition, stats.video) not in units:
            return f"it has object statistics of {where}, which is not scored"
        r = stats.recovery
        values = [stats.stability, *((r.before, r.during, r.after, r.clean) if r else ())]
        if any(v is not None and not (math.isfinite(v) and 0 <= v <= 1) for v in values):
            return f"object statistics of {where} are outside 0..1"
    return ""
