"""The film of a unit: the masks of a model on the frames that it saw, written while it works."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from robust_vos_bench.datasets.films import Mp4Writer
from robust_vos_bench.datasets.overlay import draw_overlay
from robust_vos_bench.datasets.video import Frame, FrameSource, Mask, Video, source_frame
from robust_vos_bench.errors import MissingExtraError
from robust_vos_bench.system.atomic import write_error

WAITING = 32
"""Frames kept for masks that have not come yet; a model that reads further ahead makes them be read again."""


class KeptFrames:
    """A frame source that remembers the frames whose masks are still to come."""

    def __init__(self, frames: FrameSource) -> None:
        self._frames = frames
        self._kept: dict[int, Frame] = {}

    def __len__(self) -> int:
        return len(self._frames)

    def __iter__(self) -> Iterator[Frame]:
        for t, frame in enumerate(self._frames):
            self._kept[t] = frame
            if len(self._kept) > WAITING:
                self._kept.pop(min(self._kept))
            yield frame

    def take(self, t: int) -> Frame:
        """Frame t, which is then forgotten."""
        frame = self._kept.pop(t, None)
        return source_frame(self._frames, t) if frame is None else frame


class Film:
    """A film that is written mask by mask. What goes wrong with it, but for a full disk, is no fault of the unit."""

    def __init__(self, path: Path, video: Video, title: str) -> None:
        self.path, self.title = path, title
        self.frames = KeptFrames(video.frames)
        self.problem = ""
        """Why there is no film; "" where there is one."""
        self._part = path.with_name(f".{path.name}.part")
        self._writer: Mp4Writer | None = None
        path.unlink(missing_ok=True)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._writer = Mp4Writer(self._part, video.fps)
        except OSError as error:
            raise write_error(path, error) from error
        except MissingExtraError as error:
            self.problem = f"no film: {error}"

    def add(self, t: int, mask: Mask) -> None:
        """The mask of frame t. Raises WriteError where the disk is full."""
        if self._writer is None:
            return
        frame = self.frames.take(t)
        try:
            self._writer.add(draw_overlay(frame, mask, title=self.title))
        except OSError as error:
            self.drop()
            raise write_error(self.path, error) from error
        except Exception as error:  # of the encoder: the scores and masks are as good without a film
            self.problem = f"no film: {type(error).__name__}: {error}"
            self.drop()

    def finish(self) -> None:
        """Put the film in its place."""
        if self._writer is None:
            return
        writer, self._writer = self._writer, None
        try:
            writer.close()
            self._part.replace(self.path)
        except OSError as error:
            raise write_error(self.path, error) from error
        except Exception as error:
            self.problem = f"no film: {type(error).__name__}: {error}"

    def drop(self) -> None:
        """Leave nothing behind; also after `finish`."""
        writer, self._writer = self._writer, None
        if writer is not None:
            with contextlib.suppress(Exception):
                writer.close()
        self._part.unlink(missing_ok=True)
