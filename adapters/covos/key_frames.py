"""The key frames of a coded clip as a video of their own, decoded when the base model asks for them."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from robust_vos_bench.datasets.video import Frame, Video

from .stream import Picture, Stream, decode


def extended(keys: Collection[int], prompted: Collection[int], frames: int) -> list[int]:
    """Key frames of a clip in order: the stream's, and from each prompt on all frames up to the next one of these."""
    found = set(keys)
    for t in prompted:
        while t < frames and t not in keys:
            found.add(t)
            t += 1
    return sorted(found)


class KeyFrames:
    """A frame source that shares one decoder with `take`, which fetches each key frame and what lies before it.

    A base model that reads ahead makes them wait; one that reads late, a second time or never has a decoder of its own.
    """

    def __init__(self, stream: Stream, keys: list[int]) -> None:
        self.stream, self.keys = stream, keys
        self._decoded = decode(stream)
        self._waiting: dict[int, list[Picture]] = {}
        self._read = self._taken = 0
        self._shared = True

    def __len__(self) -> int:
        return len(self.keys)

    def __iter__(self) -> Iterator[Frame]:
        number = 0
        if self._shared:
            self._shared = False
            while number < len(self.keys) and number >= self._taken:
                yield self._stretch(number)[-1].frame
                number += 1
        if number < len(self.keys):
            wanted = set(self.keys[number:])
            for picture in decode(self.stream):
                if picture.time in wanted:
                    yield picture.frame

    def take(self, number: int) -> list[Picture]:
        """The key frame of this number behind the pictures between it and the one before; each once, in order."""
        self._stretch(number)
        self._taken = number + 1
        return self._waiting.pop(number)

    def _stretch(self, number: int) -> list[Picture]:
        while self._read <= number:
            some = self._waiting[self._read] = []
            for picture in self._decoded:
                some.append(picture)
                if picture.time == self.keys[self._read]:
                    break
            self._read += 1
        return self._waiting[number]


def base_video(video: Video, source: KeyFrames, start: int) -> Video:
    """What the base model is given: the key frames of a video from frame `start` on, with their prompts."""
    times = [start + t for t in source.keys]
    return Video(
        name=video.name,
        size=video.size,
        frames=source,
        prompts={number: video.prompts[t] for number, t in enumerate(times) if t in video.prompts},
        frame_names=tuple(video.frame_names[t] for t in times),
        fps=video.fps,
        dataset=video.dataset,
    )
