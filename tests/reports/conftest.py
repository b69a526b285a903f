"""Small run directories made of known scores, without running any model."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from msgspec.json import encode

from robust_vos_bench.conditions import Condition, condition_fingerprint
from robust_vos_bench.runs.invocation import EnvironmentRecord, InvocationRecord, ToolRecord
from robust_vos_bench.runs.records import (
    CellCounts,
    ConditionRecord,
    DatasetRecord,
    FrameScores,
    Manifest,
    ModelRecord,
    ObjectRecord,
    PresetRecord,
    ProtocolRecord,
    UnitRecord,
)
from robust_vos_bench.runs.store import RunStore

CONDITIONS = [("", 0, ""), ("fog", 1, "weather"), ("fog", 5, "weather"), ("shot_noise", 3, "noise")]


def make_run(
    folder: Path,
    models: Sequence[str] = ("one", "two"),
    videos: Sequence[str] = ("a", "b", "c"),
    gap: float = 0.0,
    checkpoint: str = "",
    protocol: str = "1",
    missing: Sequence[tuple[str, str, str]] = (),
    conditions: Sequence[tuple[str, int, str]] = CONDITIONS,
    seed: int = 0,
    error: str = "it broke",
    profile: str = "constant",
    frames: int = 6,
    split: int = 0,
    weights: str = "ab",
) -> Path:
    """Write a run directory; the first model is `gap` better everywhere, severity 5 costs 0.3."""
    rng = np.random.default_rng(7)
    labels = [f"{c}-{s}" if c else "clean" for c, s, _ in conditions]
    made: list[Condition | None] = [None] * len(labels)  # most tests need no real corruption
    if profile != "constant":
        made = [Condition(c, s, profile=profile, seed=seed) if c else Condition() for c, s, _ in conditions]
        labels = [condition.label for condition in made if condition is not None]
    records = [
        ModelRecord(m, "1", {}, checkpoint, weights * 32 if checkpoint else "", trained_on=("davis2017-train",))
        for m in models
    ]
    columns = [
        ConditionRecord(
            corruption=c,
            severity=s,
            temporal=condition.temporal if condition else "",
            profile=condition.profile if condition else "constant",
            seed=seed if c else 0,
            label=label,
            family=f,
            fingerprint=condition_fingerprint(condition) if condition else f"{label}/1",
        )
        for (c, s, f), label, condition in zip(conditions, labels, made)
    ]
    store = RunStore(folder)
    folder.mkdir(parents=True)
    total = len(models) * len(labels) * len(videos)
    store.write_manifest(
        Manifest(
            run_id="0badc0de",
            identity="0badc0de" * 8,
            status="partial" if missing else "complete",
            created="2026-11-22T00:00:00Z",
            updated="2026-11-22T00:01:00Z",
            invocations_2=[
                InvocationRecord(
                    id="1234",
                    started="2026-11-22T00:00:00Z",
                    ended="2026-11-22T00:01:00Z",
                    command=["rvos-bench", "run", "--model", ",".join(models)],
                    tool=ToolRecord(version="0.1.0"),
                    environment=EnvironmentRecord(python="3.11", system="Linux", cpus=2, packages={"numpy": "2"}),
                )
            ],
            protocol=ProtocolRecord(name="davis", version=protocol),
            dataset=DatasetRecord(
                name="demo",
                index_sha256="00" * 32,
                videos=len(videos),
                videos_in_split=split or len(videos),
                root="/home/me",
                place="ab",
            ),
            preset=PresetRecord(name="custom", version=0),
            models=records,
            conditions=columns,
            videos=list(videos),
            units=CellCounts(planned=total, ok=total - len(missing), failed=len(missing)),
        )
    )
    for k, model in enumerate(models):
        for (_, severity, _), label in zip(conditions, labels):
            lines: dict[Path, list[bytes]] = {store.cell_path(label, model): [], store.frames_path(label, model): []}
            units, tracks = lines.values()
            for video in videos:
                if (model, label, video) in missing:
                    units.append(
                        encode(
                            UnitRecord("k", model, label, video, "failed", error=error, error_code=1, invocation="1234")
                        )
                    )
                    continue
                value = 0.8 - 0.06 * severity + (gap if k == 0 else 0.0) + float(rng.normal(0, 0.01))
                score = ObjectRecord(1, 4, value, 1.0, 0.0, value, 1.0, 0.0)
                track = FrameScores(video, 1, 1, (value,) * (frames - 2), (value,) * (frames - 2))
                units.append(
                    encode(
                        UnitRecord(
                            "k", model, label, video, "ok", (score,), frames, 0.5, 0.1, 0.01, 100.0, invocation="1234"
                        )
                    )
                )
                tracks.append(encode(track))
            for path, rows in lines.items():
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(b"".join(row + b"\n" for row in rows))
    return folder


@pytest.fixture
def run_folder(tmp_path: Path) -> Callable[..., Path]:
    """Make run directories under a temporary folder: `run_folder("name", models=..., ...)`."""

    def make(name: str = "run", **settings: object) -> Path:
        return make_run(tmp_path / name, **settings)  # type: ignore[arg-type]

    return make
