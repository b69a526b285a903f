"""The run directory: one writer, append-only cell files, and everything else replaced atomically."""

from __future__ import annotations

import contextlib
import csv
import hashlib
import io
import itertools
import json
import os
import re
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec

from robust_vos_bench.errors import DataError, UsageError
from robust_vos_bench.runs.records import STATISTICS, FrameScores, Manifest, UnitRecord, read_manifest
from robust_vos_bench.system.atomic import make_folder, remove_parts, sync_folder, write_bytes, write_error, write_parts
from robust_vos_bench.system.locks import exclusive

SCORE_COLUMNS = (
    "model", "dataset", "corruption", "severity", "condition", "video", "object", "frames",
    "J", "F", "J&F", *[name for name in STATISTICS.values() if name not in ("J", "F")],
)  # fmt: skip
_RECORDS = msgspec.json.Decoder(UnitRecord)
_TRACKS = msgspec.json.Decoder(FrameScores)
_BINARY = getattr(os, "O_BINARY", 0)
"""Windows would otherwise turn the end of a line into two characters."""
LONGEST = 150
"""Characters of a name that go into a file name; file systems stop at 255 bytes."""


def safe_name(name: str) -> str:
    """A file name for any model name, another one for every other: letters, digits, `.`, `_`, `-` stay as they are.

    Other characters become `_`, the end of a very long name goes, and a digest of the whole name keeps apart what is
    then alike ("my model" and "my_model" have their own files).
    """
    plain = re.sub(r"[^A-Za-z0-9._-]", "_", name).lstrip(".")[:LONGEST] or "_"
    return plain if plain == name else f"{plain}-{hashlib.sha256(name.encode()).hexdigest()[:6]}"


class RunStore:
    """Reads and writes one run directory. Use `with store.locked():` around writing."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._trimmed: set[Path] = set()
        self.unreadable: dict[Path, int] = {}
        """Cell files with lines that are no records, and how many: damaged, or of another version."""

    @property
    def manifest_path(self) -> Path:
        """`run.json`."""
        return self.folder / "run.json"

    @property
    def scores_path(self) -> Path:
        """`scores.csv`."""
        return self.folder / "scores.csv"

    def manifest(self) -> Manifest | None:
        """The manifest, or None in a fresh directory."""
        try:
            data = self.manifest_path.read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise DataError(f"cannot read {self.manifest_path}: {error.strerror}") from error
        return read_manifest(data, str(self.manifest_path))

    def write_manifest(self, manifest: Manifest) -> None:
        """Replace `run.json`."""
        write_bytes(self.manifest_path, msgspec.json.format(msgspec.json.encode(manifest), indent=2) + b"\n")

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the directory for writing. Raises UsageError, naming the holder, where another run writes."""
        make_folder(self.folder)

        def busy(holder: str) -> UsageError:
            return UsageError(
                f"{self.folder} is being written by another run ({holder}). Wait for it, stop it, or choose another "
                "--output."
            )

        with exclusive(self.folder / ".lock", busy):
            remove_parts(self.folder)
            yield

    def cell_path(self, condition: str, model: str) -> Path:
        """Records of one cell, one JSON line per video."""
        return self.folder / "cells" / safe_name(condition) / f"{safe_name(model)}.jsonl"

    def frames_path(self, condition: str, model: str) -> Path:
        """J and F by frame of one cell, one JSON line per object."""
        return self.folder / "frames" / safe_name(condition) / f"{safe_name(model)}.jsonl"

    def masks_path(self, condition: str, model: str, video: str) -> Path:
        """Folder of saved palette masks of one unit."""
        return self.folder / "masks" / safe_name(model) / safe_name(condition) / video

    def film_path(self, condition: str, model: str, video: str) -> Path:
        """The film of one unit, beside its folder of masks."""
        return self.masks_path(condition, model, video).with_name(f"{video}.mp4")

    def counted_path(self, condition: str, model: str, video: str) -> Path:
        """A file that stands for the masks of one unit where they were counted (`certified.votes`) and taken away."""
        return self.masks_path(condition, model, video) / "counted"

    def are_counted(self, record: UnitRecord) -> bool:
        """Whether the masks of a unit were counted, so that they need not be here."""
        return self.counted_path(record.condition, record.model, record.video).is_file()

    def has_masks(self, record: UnitRecord) -> bool:
        """Whether a mask of every frame of a unit is kept; a run that was killed may have left only some."""
        return len(list(self.masks_path(record.condition, record.model, record.video).glob("*.png"))) == record.frames

    def add(self, record: UnitRecord, frames: Iterable[FrameScores] = ()) -> None:
        """Append one unit; it is on disk when this returns."""
        self.add_all(record.model, record.condition, [record], frames)

    def add_all(
        self, model: str, condition: str, records: Iterable[UnitRecord], frames: Iterable[FrameScores] = ()
    ) -> None:
        """Append units of one cell; all are on disk when this returns, and none without its scores by frame."""
        lines = [msgspec.json.encode(f) for f in frames]
        if lines:
            self._append(self.frames_path(condition, model), lines)
        self._append(self.cell_path(condition, model), [msgspec.json.encode(record) for record in records])

    def _append(self, path: Path, lines: list[bytes]) -> None:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            first = path not in self._trimmed
            if first:
                _cut_torn_tail(path)
                self._trimmed.add(path)
            handle = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | _BINARY, 0o644)
            start = os.fstat(handle).st_size
            try:
                data = b"".join(line + b"\n" for line in lines)
                written = os.write(handle, data)
                if written != len(data):
                    os.ftruncate(handle, start)
                    raise OSError(28, "No space left on device")
                os.fsync(handle)
            finally:
                os.close(handle)
            if first:  # whoever made the file may have been killed before this
                for folder in (path.parent, path.parent.parent, self.folder):
                    sync_folder(folder)
        except OSError as error:
            raise write_error(path, error) from error

    def records(self, condition: str, model: str) -> dict[str, UnitRecord]:
        """Video -> the newest record of one cell; an incomplete last line, left by a killed run, is ignored."""
        found: dict[str, UnitRecord] = {}
        unreadable = 0
        path = self.cell_path(condition, model)
        data = _whole_lines(path)
        try:
            records = _RECORDS.decode_lines(data)
        except msgspec.MsgspecError:  # line by line, without the bad ones
            records = []
            for line in data.splitlines():
                try:
                    records.append(_RECORDS.decode(line))
                except msgspec.MsgspecError:
                    unreadable += 1
        for record in records:
            if record.model == model:
                found[record.video] = record
        if unreadable:
            self.unreadable[path] = unreadable
        return found

    def frame_scores(self, condition: str, model: str) -> dict[tuple[str, int], FrameScores]:
        """(video, object) -> J and F by frame of one cell."""
        found: dict[tuple[str, int], FrameScores] = {}
        data = _whole_lines(self.frames_path(condition, model))
        try:
            tracks = _TRACKS.decode_lines(data)
        except msgspec.MsgspecError:
            tracks = []
            for line in data.splitlines():
                with contextlib.suppress(msgspec.MsgspecError):
                    tracks.append(_TRACKS.decode(line))
        for scores in tracks:
            found[scores.video, scores.object] = scores
        return found

    def log(self, event: str, **fields: Any) -> None:
        """Append one line to `log.jsonl`; a full disk does not stop a run because of the log."""
        line = json.dumps({"time": time.strftime("%Y-%m-%dT%H:%M:%S"), "event": event, **fields})
        with contextlib.suppress(OSError), (self.folder / "log.jsonl").open("a") as file:
            file.write(line + "\n")

    def write_scores(self, rows: Iterable[Sequence[Any]]) -> None:
        """Replace `scores.csv` (tidy, one row per object); floats are written so that they read back to the bit."""
        write_parts(self.scores_path, _csv(itertools.chain([SCORE_COLUMNS], rows)))


def _whole_lines(path: Path) -> bytes:
    """A file up to its last newline."""
    try:
        data = path.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return b""
    return data[: data.rfind(b"\n") + 1]


def _csv(rows: Iterable[Sequence[Any]]) -> Iterator[bytes]:
    """The bytes of a CSV file, some thousand rows at a time: a million units are more than fits into memory."""
    rows = iter(rows)
    while batch := list(itertools.islice(rows, 4096)):
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerows(batch)  # it writes the repr of a float
        yield text.getvalue().encode()


def _cut_torn_tail(path: Path) -> None:
    """Drop what follows the last newline: a killed run may have left half a line there."""
    if not path.exists():
        return
    data = path.read_bytes()
    end = data.rfind(b"\n") + 1
    if end != len(data):
        with path.open("r+b") as file:
            file.truncate(end)
